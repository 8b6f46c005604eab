package config

import (
	"slices"
	"testing"
)

func TestHiddenAreTheSecretsOfAllSections(t *testing.T) {
	c := load(t, `
sip: {users: {"101": {password: "first-password"}, "102": {password: "1234"}}}
trunks: {mango: {address: "sip.example.ru", username: "7926", password: "${MANGO}", register: true}}
http: {tokens: {crm: {token: "crm-token-0123456789"}}}
webhooks: [{url: "https://crm.example.ru/x", secret: "hook-secret-0123"}]
secrets: {A: "${A}", B: "abc", C: "${A}"}
project: {zone: "${ZONE}"}
`, Options{Env: map[string]string{"MANGO": "mango-pass", "A": "the-a", "ZONE": "Europe/Moscow"}})
	want := []string{"1234", "abc", "crm-token-0123456789", "first-password", "hook-secret-0123", "mango-pass", "the-a"}
	if got := c.Hidden(); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
