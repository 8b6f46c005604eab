package e2e

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What is zero as soon as the last call is over, and what some time later: SIP
// remembers what it has answered for 32 s, and a call whose peer says nothing to
// BYE or CANCEL for as long.
var (
	endsWithCalls = []string{
		"calls", "rtp_sessions", "rtp_port_pairs_used", "recordings", "conferences", "conference_members", "script_vms",
	}
	endsLater = []string{"sip_dialogs", "sip_transactions", "sip_client_transactions"}
)

// gauge is a figure of the program without labels; -1: it has none of that name.
func gauge(metrics, name string) int {
	for line := range strings.Lines(metrics) {
		if v, ok := strings.CutPrefix(line, "loopstart_"+name+" "); ok {
			if f, err := strconv.ParseFloat(strings.TrimSpace(v), 64); err == nil {
				return int(f)
			}
		}
	}
	return -1
}

// empty waits until nothing of any call remains; of SIP only in a soak, since
// that takes a minute.
func (p *project) empty(t testing.TB) {
	t.Helper()
	names, patience := endsWithCalls, time.Minute
	if os.Getenv("LOOPSTART_SOAK") != "" {
		names, patience = slices.Concat(endsWithCalls, endsLater), 3*time.Minute
	}
	left := ""
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(250 * time.Millisecond) {
		metrics := p.metrics(t)
		left = ""
		for _, name := range names {
			if n := gauge(metrics, name); n != 0 {
				left += name + " " + strconv.Itoa(n) + "\n"
			}
		}
		if left == "" {
			return
		}
	}
	t.Errorf("these remain:\n%s", left)
}
