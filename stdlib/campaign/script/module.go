// Package script is the script half of loopstart:campaign: single orders, the
// stop-list, and campaigns, with the fields of the HTTP API in camelCase.
//
// # Limits
//
// [MaxContacts] in one call of campaigns.add; what is sent is bounded by the
// worker's body_bytes.
//
// # Errors
//
// INVALID for options that do not exist; everything else is what the API
// answers: INVALID, NOT_FOUND, DENIED, CONFLICT, LIMIT.
package script

import (
	_ "embed"

	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// Types are the declarations of the module for editors.
//
//go:embed types.d.ts
var Types string

// Module is loopstart:campaign.
func Module() bind.Module {
	return bind.Module{Scheme: "campaign", Members: map[string]bind.Member{
		"schedule":  bind.Async(schedule),
		"cancel":    bind.Async(cancel),
		"stopList":  stopList,
		"campaigns": campaigns,
	}}
}
