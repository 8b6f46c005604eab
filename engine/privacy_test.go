package engine

import (
	"testing"

	"github.com/loopstart/loopstart/sip"
)

func TestHiddenCallers(t *testing.T) {
	for _, c := range [...]struct {
		name, value string
		want        bool
	}{
		{"Privacy", "id", true}, {"Privacy", "ID;critical", true}, {"privacy", "user; header", true}, {"Privacy", "none", false}, {"Privacy", "session", false},
		{"Remote-Party-ID", "<sip:1@h>;party=calling;privacy=full", true}, {"Remote-Party-ID", "<sip:1@h>;Privacy=URI", true},
		{"Remote-Party-ID", "<sip:1@h>;privacy=off", false}, {"Remote-Party-ID", "<sip:privacy=full@h>", false}, {"From", "<sip:1@h>", false},
	} {
		if got := hidesCaller(sip.Headers{{Name: c.name, Value: c.value}}); got != c.want {
			t.Errorf("%s: %s: %v", c.name, c.value, got)
		}
	}
}
