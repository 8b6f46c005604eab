package e2e

import (
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
)

var replacesScripts = files{
	"wait.ts": `export default async (call) => { await call.answer(); await call.play("tone:500", { loop: true }); }`,
	"desk.ts": `
export default async function (call) {
  call.on("transfer", (t) => t.request ? true : undefined);
  const talk = await call.connect(call.headers.get("X-Dial"), { timeout: "20s" });
  call.result = { status: talk.status };
}`,
	"ask.ts": `
import { dial } from "loopstart:call";
export default async function (call) {
  await call.answer();
  const { call: boss } = await dial(call.headers.get("X-Dial"), { timeout: "10s" });
  call.result = await call.transfer("sip:boss@127.0.0.1", { attended: boss, timeout: "10s" });
}`,
}

// replacesWays are those of these tests: datagrams and a stream.
func replacesWays() []way {
	if os.Getenv("LOOPSTART_SOAK") == "1" {
		return []way{overUDP, overTCP, overTLS, pieces}
	}
	return []way{overUDP, overTCP}
}

// begins starts a SIPp that calls us, and does not wait for it.
func (m *matrix) begins(t testing.TB, c cell, s scene) *sippRun {
	to, ip, transport := m.address(t, c.way)
	s.Caller, s.Via, s.At = c.from, c.way.via(), "[local_ip]:[local_port];transport=[transport]"
	if c.way == overTLS {
		s.At = "[local_ip]:[local_port];transport=tls"
	}
	text := s.scenario(t, c.name)
	keepScenario(t, c, text)
	return sipp(t, ip, text, to, "-s", c.to, "-m", "1", "-t", transport)
}

// dialog waits for a call's message that matches, and returns the call's ID
// and the dialog of that message as the peer who names it in Replaces writes it.
func (m *matrix) dialog(t testing.TB, from, pattern string) (id, replaces string) {
	t.Helper()
	re := regexp.MustCompile("(?s)" + pattern)
	part := func(text, header, param string) string {
		found := regexp.MustCompile(`(?m)^` + header + `:[^\r\n]*?` + param + `([^;\s]+)`).FindStringSubmatch(text)
		if found == nil {
			return ""
		}
		return found[1]
	}
	eventually(t, "a message "+pattern, testLimit, func() bool {
		for _, r := range m.p.in(t).list("from=" + url.QueryEscape(from)) {
			var ladder struct {
				Messages []struct{ Text, Direction string }
			}
			if m.p.in(t).api("GET", "/v1/calls/"+r.ID+"/sip", nil, &ladder) != 200 {
				continue
			}
			for _, one := range ladder.Messages {
				if !re.MatchString(one.Text) {
					continue
				}
				ours, theirs := part(one.Text, "To", "tag="), part(one.Text, "From", "tag=")
				if strings.Contains(one.Text, "To: <sip:+") { // an answer to our INVITE
					ours, theirs = theirs, ours
				}
				id, replaces = r.ID, part(one.Text, "Call-ID", "")+";to-tag="+ours+";from-tag="+theirs
			}
		}
		return id != ""
	})
	return id, replaces
}

// TestSIPpMatrixReplaces: an INVITE that takes the place of a call (RFC 3891),
// and transfers of somebody who has asked before (RFC 5589), both ways.
func TestSIPpMatrixReplaces(t *testing.T) {
	t.Parallel()
	need(t, "sipp")
	m := newMatrix(t, replacesScripts, conf{rest: "TRUNKS\nlimits: {script_grace: 1s, cps: 1000}\n"})
	on := replacesWays()
	var flows []matrixCase
	for _, name := range []string{"a talk", "only early", "while it rings", "referred to us", "referred by us"} {
		flows = append(flows, matrixCase{name: name})
	}
	var cells []cell
	for i, f := range flows {
		for j, w := range on {
			cells = append(cells, cell{f, w, fmt.Sprintf("+790001%d%02d", i, j)})
		}
	}
	// Two trunks for each run; they are called over UDP.
	lines, trunks := "trunks:\n", map[string][2]trunkCell{}
	number := func(c cell, n int) string {
		return fmt.Sprintf("+7916%d%s", n, strings.TrimPrefix(c.from, "+790001")) + "000"
	}
	for i, c := range cells {
		var pair [2]trunkCell
		for n := range pair {
			pair[n] = trunkCell{cell: cell{way: overUDP}, addr: freePort(t, "127.0.0.1")}
			lines += fmt.Sprintf("  t%d%d: {address: \"%s\", options: off, allow: [192.0.2.9/32], from: [\"+74951234567\"], destinations: [\"%s\"], max_cps: 100}\n", i, n, pair[n].address(), number(c, n))
		}
		trunks[c.from] = pair
	}
	m.edit("TRUNKS\n", lines)
	m.p.start()
	m.each(t, cells, func(t testing.TB, c cell) {
		r := replacing{m, t, c, trunks[c.from], number}
		map[string]func(){"a talk": r.talk, "only early": r.onlyEarly, "while it rings": r.ringing, "referred to us": r.referred, "referred by us": r.refers}[c.name]()
	})
	m.p.empty(t)
}

// replacing is one run.
type replacing struct {
	m      *matrix
	t      testing.TB
	c      cell
	trunks [2]trunkCell
	number func(c cell, n int) string
}

// as is a further caller of the run.
func (r replacing) as(scenario, to, suffix string) cell {
	return cell{matrixCase{name: scenario, to: to}, r.c.way, r.c.from + suffix}
}

// trunk answers as one of the two trunks.
func (r replacing) trunk(n int, scenario string) *sippRun {
	c := r.trunks[n]
	c.name, c.from = scenario, r.c.from
	return r.m.trunkRuns(r.t, c)
}

// talk: the first caller is hung up on, the second has its place.
func (r replacing) talk() {
	first := r.m.begins(r.t, r.as("uac-replaced", "wait", "1"), scene{})
	_, dialog := r.m.dialog(r.t, r.c.from+"1", "^SIP/2.0 200 .*CSeq: 1 INVITE")
	r.m.begins(r.t, r.as("uac-replaces", "wait", "2"), scene{Replaces: dialog}).passes(r.t)
	first.passes(r.t)
	if end := r.m.p.in(r.t).ended(r.c.from + "1"); end.EndedBy != "caller" || end.Outcome != "served" {
		r.t.Errorf("%s by %s", end.Outcome, end.EndedBy)
	}
}

// onlyEarly: who is answered is not replaced, and who is gone cannot be.
func (r replacing) onlyEarly() {
	first := r.m.begins(r.t, r.as("uac-replaced", "wait", "1"), scene{})
	id, dialog := r.m.dialog(r.t, r.c.from+"1", "^SIP/2.0 200 .*CSeq: 1 INVITE")
	r.m.begins(r.t, r.as("uac-replaces-not", "wait", "2"), scene{Replaces: dialog + ";early-only", Answer: "486"}).passes(r.t)
	swapped := strings.Replace(strings.Replace(strings.Replace(dialog, ";to-", ";x-", 1), ";from-", ";to-", 1), ";x-", ";from-", 1)
	r.m.begins(r.t, r.as("uac-replaces-not", "wait", "3"), scene{Replaces: swapped, Answer: "481"}).passes(r.t)
	r.m.p.in(r.t).api("DELETE", "/v1/calls/"+id, nil, nil)
	first.passes(r.t)
	r.m.p.in(r.t).ended(r.c.from + "1")
	r.m.begins(r.t, r.as("uac-replaces-not", "wait", "4"), scene{Replaces: dialog, Answer: "481"}).passes(r.t)
}

// ringing: call pick-up. What rings is cancelled.
func (r replacing) ringing() {
	rings := r.trunk(0, "uas-replaced-while-ringing")
	caller := r.m.begins(r.t, r.as("uac-waits", "desk", "1"), scene{Dial: r.number(r.c, 0)})
	_, dialog := r.m.dialog(r.t, r.c.from+"1", "^SIP/2.0 180 .*To: <sip:[+]7916")
	r.m.begins(r.t, r.as("uac-replaces", "wait", "2"), scene{Replaces: dialog + ";early-only"}).passes(r.t)
	rings.passes(r.t)
	caller.passes(r.t)
	if end := r.m.p.in(r.t).ended(r.c.from + "1"); !strings.Contains(string(end.Result), `"completed"`) {
		r.t.Errorf("%s", end.Result)
	}
}

// referred: the caller has two calls and joins those whom it talks to.
func (r replacing) referred() {
	one, other := r.trunk(0, "uas-answers"), r.trunk(1, "uas-answers")
	asks := r.m.begins(r.t, r.as("uac-waits", "desk", "1"), scene{Dial: r.number(r.c, 1)})
	id, dialog := r.m.dialog(r.t, r.c.from+"1", "^SIP/2.0 200 .*To: <sip:desk@.*CSeq: 1 INVITE")
	r.m.begins(r.t, r.as("uac-refers-attended", "desk", "2"), scene{Dial: r.number(r.c, 0), Other: r.number(r.c, 1), Replaces: url.QueryEscape(dialog)}).passes(r.t)
	asks.passes(r.t)
	r.m.p.in(r.t).api("DELETE", "/v1/calls/"+id, nil, nil)
	one.passes(r.t)
	other.passes(r.t)
}

// refers: the script has asked somebody, whom the caller then calls.
func (r replacing) refers() {
	boss := r.trunk(0, "uas-answers")
	r.m.begins(r.t, r.as("uac-transferred-attended", "ask", "1"), scene{Dial: r.number(r.c, 0)}).passes(r.t)
	boss.passes(r.t)
	if end := r.m.p.in(r.t).ended(r.c.from + "1"); !strings.Contains(string(end.Result), `"completed"`) {
		r.t.Errorf("%s", end.Result)
	}
}
