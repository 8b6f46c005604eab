package e2e

import (
	"fmt"
	"net/netip"
	"testing"
)

// TestSIPpTrunkHealth: calls leave a trunk that stops to answer OPTIONS, go by
// the next one, and come back when it answers again.
func TestSIPpTrunkHealth(t *testing.T) {
	t.Parallel()
	need(t, "sipp")
	m := newMatrix(t, files{"say.ts": trunkScripts["say.ts"]}, conf{rest: "TRUNKS\nlimits: {cps: 1000, script_grace: 1s}\n"})
	ways := replacesWays()[:matrixWays] // a relay would take the place of a trunk that is gone
	var addrs [matrixWays][2]netip.AddrPort
	lines := "trunks:\n"
	suffix := map[way]string{overUDP: "", overTCP: ";transport=tcp"}
	for i, w := range ways {
		for n := range addrs[i] {
			addrs[i][n] = freePort(t, "127.0.0.1")
			lines += fmt.Sprintf("  h%d%d: {address: \"%s%s\", options: 1s, allow: [192.0.2.9/32], from: [\"+74951234567\"], destinations: [\"+7916%d\"], max_cps: 100}\n", i, n, addrs[i][n], suffix[w], i)
		}
	}
	m.edit("TRUNKS\n", lines)
	var cells []cell
	for i, w := range ways {
		cells = append(cells, cell{matrixCase{name: "uas-pings-and-calls", to: fmt.Sprint(i)}, w, fmt.Sprintf("+7916%d000001", i)})
	}
	m.p.start()
	m.each(t, cells, func(t testing.TB, c cell) {
		var i int
		_, _ = fmt.Sscan(c.to, &i)
		trunk := func(n int) *sippRun {
			s := scene{Caller: c.from, Via: c.way.via(), At: "[local_ip]:[local_port];transport=[transport]"}
			transport := map[way]string{overUDP: "u1", overTCP: "t1"}[c.way]
			return sippAt(t, addrs[i][n], s.scenario(t, c.name), "-m", "100000", "-t", transport, "-timeout", "120s")
		}
		reachable := func(n int, want bool) {
			t.Helper()
			name := fmt.Sprintf("h%d%d", i, n)
			eventually(t, fmt.Sprintf("%s to be reachable: %v", name, want), 2*testLimit, func() bool {
				var list struct {
					Trunks []struct{ Name, State string }
				}
				m.p.in(t).api("GET", "/v1/trunks", nil, &list)
				for _, one := range list.Trunks {
					if one.Name == name {
						return one.State == map[bool]string{true: "reachable", false: "unreachable"}[want]
					}
				}
				return false
			})
		}
		calls := func(n int) {
			t.Helper()
			p := m.p.in(t)
			o := p.done(p.place(map[string]any{"script": "say", "to": c.from, "timeout": "10s"}))
			if want := fmt.Sprintf("h%d%d", i, n); o.Trunk != want || o.Outcome != "delivered" {
				t.Errorf("%s by %s, want %s", o.Outcome, o.Trunk, want)
			}
		}
		first := trunk(0)
		trunk(1)
		reachable(0, true)
		reachable(1, true)
		calls(0)
		_ = first.cmd.Process.Kill()
		<-first.over
		reachable(0, false)
		calls(1)
		trunk(0)
		reachable(0, true)
		calls(0)
	})
}
