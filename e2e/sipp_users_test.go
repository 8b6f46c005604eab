package e2e

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// TestSIPpMatrixUsers: nobody is trusted. Users log in, strangers stay out.
func TestSIPpMatrixUsers(t *testing.T) {
	t.Parallel()
	need(t, "sipp")
	m := newMatrix(t, doorScripts, conf{
		sip:  "trust: [192.0.2.1/32], users: {USERS}",
		rest: "routes: [{to: wait, script: wait}]\nlimits: {script_grace: 1s, cps: 1000}\n",
	})
	// Where a user has logged in from, strangers are asked for a password, too.
	strangers := m.cells([]matrixCase{{name: "stranger-calls", to: "wait"}, {name: "stranger-texts", to: "wait"}}, "59")
	cells := m.cells([]matrixCase{
		{name: "reg-lifecycle"}, {name: "reg-too-brief"}, {name: "reg-wrong-password"}, {name: "reg-unknown-user"}, {name: "reg-old-nonce"},
		{name: "user-calls", to: "wait", record: "200 served caller"}, {name: "user-forged", to: "wait"},
	}, "50")
	var users []string
	for _, c := range cells {
		users = append(users, fmt.Sprintf(`"%s": {password: pw, dial: [users, "+7"]}`, c.from))
	}
	m.edit("USERS", strings.Join(users, ", "))
	m.p.start()
	m.each(t, strangers, m.calls)
	m.each(t, cells, m.calls)
	m.p.empty(t)
}

// TestSIPpMatrixFull: beyond limits.calls, and while the program drains, callers
// are told to come again.
func TestSIPpMatrixFull(t *testing.T) {
	t.Parallel()
	need(t, "sipp")
	m := newMatrix(t, doorScripts, conf{rest: "limits: {calls: 1, cps: 1000}\n"})
	m.p.start()
	c := phone.New(t, "+79000051000", "127.0.0.1").Call(m.p.uri("wait"), m.p.sip)
	c.Talk(5 * time.Second)
	m.each(t, m.cells([]matrixCase{{name: "uac-503", to: "wait"}, {name: "uac-503", to: "ring"}, {name: "uac-503", to: "bye"}}, "+7900005"), m.calls)
	if err := m.p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the program to drain", testLimit, func() bool { return strings.Contains(m.p.log.String(), "draining") })
	m.each(t, m.cells([]matrixCase{{name: "uac-503", to: "wait"}, {name: "uac-503", to: "ring"}, {name: "uac-503", to: "bye"}}, "+7900006"), m.calls)
	c.Hangup()
	if code := m.p.exit(testLimit); code != 0 {
		t.Errorf("it ends with status %d", code)
	}
}

// TestSIPpMatrixRegistrar: our login at a registrar with all its wishes, and a
// call along the Service-Route that it gives.
func TestSIPpMatrixRegistrar(t *testing.T) {
	t.Parallel()
	need(t, "sipp")
	m := newMatrix(t, trunkScripts, conf{rest: "TRUNKS\nlimits: {cps: 1000}\n"})
	two := []string{"-m", "2"} // the login, and the call
	cells, lines := m.place(m.cells([]matrixCase{
		{name: "uas-registrar", to: "say", only: trunkWays, args: two}, {name: "uas-registrar", to: "stay", only: trunkWays, args: two}, {name: "uas-registrar", to: "hold", only: trunkWays, args: two},
	}, "+7900007"), map[string]string{"uas-registrar": `, username: "login", password: "s3cret", register: true`})
	m.edit("TRUNKS\n", lines)
	runs := map[string]*sippRun{}
	for _, c := range cells {
		runs[c.from] = m.trunkRuns(t, c)
	}
	m.p.start()
	m.each(t, plain(cells), func(t testing.TB, c cell) {
		eventually(t, "the registration", testLimit, func() bool { return m.registered(t, trunkCell{cell: c}.trunk()) })
		p := m.p.in(t)
		id := p.place(map[string]any{"script": "say", "to": c.from, "trunk": trunkCell{cell: c}.trunk()})
		runs[c.from].passes(t)
		if o := p.done(id); o.Outcome != "busy" {
			t.Errorf("%s %d", o.Outcome, o.Code)
		}
	})
}

func (m *matrix) registered(t testing.TB, trunk string) bool {
	var list struct {
		Trunks []struct {
			Name, State string
		}
	}
	m.p.in(t).api("GET", "/v1/trunks", nil, &list)
	for _, one := range list.Trunks {
		if one.Name == trunk {
			return one.State == "registered"
		}
	}
	return false
}

// TestSIPpMatrixFailover: the next trunk takes the call of one that refuses, and
// of one that nobody answers for.
func TestSIPpMatrixFailover(t *testing.T) {
	t.Parallel()
	need(t, "sipp")
	m := newMatrix(t, trunkScripts, conf{rest: "TRUNKS\nlimits: {cps: 1000, script_grace: 1s}\n"})
	table := []matrixCase{{name: "uas-503", to: "say", only: trunkWays}, {name: "uas-answers", to: "say", only: trunkWays}}
	if os.Getenv("LOOPSTART_SOAK") != "1" {
		table[0].only, table[1].only = []way{overUDP, overTLS}, []way{overUDP, overTLS}
	}
	more := map[string]string{}
	cells, _ := m.place(m.cells(table, "+7900008"), more)
	n := len(cells) / 2
	lines := "trunks:\n"
	for i := range n {
		for j, c := range []trunkCell{cells[i], cells[n+i]} {
			lines += fmt.Sprintf("  %s: {address: \"%s\", options: off, from: [\"+74951234567\"], destinations: [\"+791600008%02d\"], max_cps: 100}\n", []string{"first", "second"}[j]+string(c.way), c.address(), i)
		}
		lines += fmt.Sprintf("  dead%s: {address: \"%s\", options: off, from: [\"+74951234567\"], destinations: [\"+791600009%02d\"]}\n", cells[i].way, freePort(t, "127.0.0.1"), i)
	}
	m.edit("TRUNKS\n", lines)
	m.p.start()
	m.each(t, plain(cells[:n]), func(t testing.TB, c cell) {
		var i int
		for i = range n {
			if cells[i].way == c.way {
				break
			}
		}
		first, second := m.trunkRuns(t, cells[i]), m.trunkRuns(t, cells[n+i])
		p := m.p.in(t)
		id := p.place(map[string]any{"script": "say", "to": fmt.Sprintf("+791600008%02d", i)})
		first.passes(t)
		second.passes(t)
		if o := p.done(id); o.Trunk != "second"+string(c.way) || o.Outcome != "delivered" {
			t.Errorf("%s by %s", o.Outcome, o.Trunk)
		}
	})
}
