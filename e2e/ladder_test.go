package e2e

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// TestLadder: the SIP messages of a call are there while it lasts and after, as
// they were on the wire but for secrets, with both legs; as a ladder, as JSON and
// as a capture; and they go with the person.
func TestLadder(t *testing.T) {
	t.Parallel()
	provider := trunk(t, "127.0.0.86")
	p := serve(t, files{"dials.ts": `export default async (call) => { await call.answer(); await call.connect("+79160000008", { timeout: "5s" }); }`},
		conf{rest: "trunks:\n" + trunkLine("t", provider, `, username: "u", password: "s3cret-pass"`)})
	c := phone.New(t, "+79000008600", "127.0.0.1").Call(p.uri("dials"), p.sip, phone.Header{Name: "X-Mark", Value: "wire-mark"}, phone.Header{Name: "Identity", Value: "eyJhIjoxfQ.eyJhdHRlc3QiOiJBIn0.c2ln;info=<https://c>"})
	c.Talk(5 * time.Second)
	first := provider.Next(t, 5*time.Second)
	first.Refuse(401, "Unauthorized", phone.Header{Name: "WWW-Authenticate", Value: `Digest realm="pbx", nonce="n1", algorithm=MD5, qop="auth"`})
	var op *phone.Message
	eventually(t, "the INVITE with credentials", 5*time.Second, func() bool {
		for _, m := range first.Log() {
			if m.Method == "INVITE" && m.Get("authorization") != "" {
				op = m
			}
		}
		return op != nil
	})
	if op.Get("identity") == "" {
		t.Error("the Identity header was not passed on")
	}
	first.Reply(op, 486, "Busy Here", "")
	var live struct {
		Messages []struct{ Text, Leg, Direction, Line string }
	}
	id := ""
	eventually(t, "the call in the list", 5*time.Second, func() bool {
		var list struct{ Calls []struct{ ID, From string } }
		p.api("GET", "/v1/calls?from=%2B79000008600", nil, &list)
		if len(list.Calls) > 0 {
			id = list.Calls[0].ID
		}
		return id != ""
	})
	c.Ended(10 * time.Second)
	p.ended("+79000008600")
	if code := p.api("GET", "/v1/calls/"+id+"/sip", nil, &live); code != 200 {
		t.Fatalf("GET sip: %d", code)
	}
	var lines []string
	all := ""
	for _, m := range live.Messages {
		word := strings.Fields(m.Line)[0]
		if word == "SIP/2.0" {
			word = strings.Fields(m.Line)[1]
		}
		lines = append(lines, m.Leg+m.Direction+word)
		all += m.Text
	}
	got := strings.Join(lines, " ")
	for _, want := range []string{"ainINVITE", "aout200", "ainACK", "boutINVITE bin401 boutACK boutINVITE bin486 boutACK"} {
		if !strings.Contains(got, want) && !strings.Contains(strings.ReplaceAll(got, "bin100 ", ""), want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	if !strings.Contains(all, "X-Mark: wire-mark") || strings.Contains(all, "s3cret") || strings.Contains(all, op.Get("authorization")) || !strings.Contains(all, `response="***"`) {
		t.Errorf("%s", all)
	}
	out, err := exec.Command(binary, "-C", p.dir, "calls", "show", id, "--sip", "-v").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "▶") || !strings.Contains(string(out), "401 Unauthorized (INVITE)") || !strings.Contains(string(out), "X-Mark: wire-mark") {
		t.Errorf("%v\n%s", err, out)
	}
	file := filepath.Join(t.TempDir(), "call.pcap")
	if out, err := exec.Command(binary, "-C", p.dir, "calls", "show", id, "--pcap", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	raw, err := os.ReadFile(file)
	if err != nil || len(raw) < 24 || string(raw[:4]) != "\xd4\xc3\xb2\xa1" {
		t.Fatalf("%v: %d bytes", err, len(raw))
	}
	if tshark, err := exec.LookPath("tshark"); err == nil {
		out, err := exec.Command(tshark, "-r", file, "-Y", "sip.Method == INVITE").CombinedOutput()
		if err != nil || strings.Count(string(out), "INVITE") < 3 {
			t.Errorf("%v\n%s", err, out)
		}
	}
	if code := p.api("DELETE", "/v1/people/%2B79000008600", nil, nil); code != 200 {
		t.Fatalf("erase: %d", code)
	}
	if code := p.status("GET", "/v1/calls/"+id+"/sip"); code != 404 {
		t.Errorf("after the person was erased: %d", code)
	}
}

// status is that of an answer whose body does not matter.
func (p *project) status(method, path string) int {
	req, err := http.NewRequest(method, "http://"+p.http.String()+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}
