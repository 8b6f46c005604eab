// Package script is the script half of loopstart:core: shared state, webhooks
// that survive, secrets, sleep, locks and log.
//
// # Limits
//
// [MaxKey] for names; values, bodies and files together are bounded by the
// worker's body_bytes. update gives up after [MaxUpdates] conflicts.
//
// # Errors
//
// INVALID for wrong arguments, NOT_FOUND for a secret that is not configured,
// CONFLICT when update or lock did not get its turn; else what the host says.
package script

import (
	_ "embed"

	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// Types are the declarations of the module for editors.
//
//go:embed types.d.ts
var Types string

// Module is loopstart:core.
func Module() bind.Module {
	return bind.Module{Scheme: "core", Members: map[string]bind.Member{
		"kv":      kv,
		"webhook": webhook,
		"secrets": secrets,
		"sleep":   bind.Async(sleep),
		"log":     log,
		"lock":    bind.Async(lock),
	}}
}
