package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

var conferenceScripts = files{
	"meet.ts": `
import { conference } from "loopstart:call";
export default async function (call) {
  const talk = await conference("meet", { record: true }).join(call);
  call.result = { ...talk, link: await talk.recording.link() };
}`,
	"ask.ts": `
export default async function (call) {
  await call.answer();
  call.result = (await call.connect("101", { timeout: "9s" })).endedBy;
}`,
}

// mixed waits until a phone has heard exactly those of the tones, each in most
// of the packets of a stretch.
func mixed(t testing.TB, who string, c *phone.Call, want ...float64) {
	t.Helper()
	const packets = 25
	last := ""
	eventually(t, who+" hears what it should", 10*time.Second, func() bool {
		mark := c.Media.Mark()
		c.Media.WaitPackets(packets, mark, 5*time.Second)
		pcm := c.Media.Since(mark)
		last = ""
		for _, hz := range []float64{400, 900, 1500} {
			n := 0
			for i := 0; i+160 <= len(pcm); i += 160 {
				if phone.HasTone(pcm[i:i+160], hz) {
					n++
				}
			}
			expected := false
			for _, w := range want {
				expected = expected || w == hz
			}
			if expected && n < packets*8/10 || !expected && n > packets/10 {
				last = who
			}
		}
		return last == ""
	})
}

// TestConference has three phones that each hear the other two, a fourth that
// listens by command, and a recording that a kill leaves playable.
func TestConference(t *testing.T) {
	t.Parallel()
	p := serve(t, conferenceScripts, conf{sip: `users: {"101": {password: "pw"}, "102": {password: "pw"}}`})
	boss := phone.New(t, "102", "127.0.0.1")
	register(t, p, boss, "pw")
	tones := []float64{400, 900, 1500}
	var calls []*phone.Call
	for i, hz := range tones {
		c := phone.New(t, "+7900000071"+string(rune('0'+i)), "127.0.0.1").Call(p.uri("meet"), p.sip)
		c.Talk(5 * time.Second)
		c.Media.Play(phone.Tone(hz))
		calls = append(calls, c)
	}
	mixed(t, "a", calls[0], 900, 1500)
	mixed(t, "b", calls[1], 400, 1500)
	mixed(t, "c", calls[2], 400, 900)
	var state struct {
		Recording string
		Members   []struct {
			ID        int
			Call, Who string
		}
	}
	if code := p.api("GET", "/v1/conferences/meet", nil, &state); code != 200 || len(state.Members) != 3 || state.Members[1].Who != "+79000000711" {
		t.Fatalf("%d %+v", code, state)
	}
	if code := p.api("POST", "/v1/conferences/meet/commands", map[string]any{"do": "mute", "member": "+79000000711"}, nil); code != 200 {
		t.Errorf("mute: %d", code)
	}
	mixed(t, "a, with b muted", calls[0], 1500)
	if code := p.api("POST", "/v1/calls/"+state.Members[0].Call+"/commands", map[string]any{"do": "listen", "to": "102"}, nil); code != 200 {
		t.Errorf("listen: %d", code)
	}
	ear := boss.Next(t, 5*time.Second)
	ear.PickUp()
	ear.Media.Play(phone.Tone(900))
	mixed(t, "who listens", ear, 400, 1500)
	mixed(t, "a, listened to", calls[0], 1500)
	if code := p.api("POST", "/v1/conferences/meet/commands", map[string]any{"do": "kick", "member": 3}, nil); code != 200 {
		t.Errorf("kick: %d", code)
	}
	calls[2].Ended(5 * time.Second)
	if r := p.ended("+79000000712"); !strings.Contains(string(r.Result), `"endedBy":"kicked"`) || r.Outcome != "talked" {
		t.Errorf("%s %s", r.Outcome, r.Result)
	}

	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.over
	p.start()
	raw, err := os.ReadFile(filepath.Join(p.dir, "recordings", state.Recording+".wav"))
	if err != nil {
		t.Fatal(err)
	}
	rate, channels, err := phone.ReadWAV(raw)
	if err != nil || rate != 8000 || len(channels) != 1 || len(channels[0]) < 8000 {
		t.Fatalf("the recording after the kill: %d Hz, %d channels of %d bytes, %v", rate, len(channels), len(raw), err)
	}
	for _, hz := range tones {
		n := 0
		for i := 0; i+160 <= len(channels[0]); i += 160 {
			if phone.HasTone(channels[0][i:i+160], hz) {
				n++
			}
		}
		if n < 10 {
			t.Errorf("%.0f Hz in %d frames of the recording", hz, n)
		}
	}
}

// TestSupervisor listens to a bridged call of two phones, coaches and barges.
func TestSupervisor(t *testing.T) {
	t.Parallel()
	p := serve(t, conferenceScripts, conf{sip: `users: {"101": {password: "pw"}, "102": {password: "pw"}}`})
	agents := map[string]*phone.Phone{}
	for _, name := range []string{"101", "102"} {
		agents[name] = phone.New(t, name, "127.0.0.1")
		register(t, p, agents[name], "pw")
	}
	customer := phone.New(t, "+79000000720", "127.0.0.1").Call(p.uri("ask"), p.sip)
	customer.Talk(5 * time.Second)
	customer.Media.Play(phone.Tone(900))
	agent := agents["101"].Next(t, 5*time.Second)
	agent.PickUp()
	agent.Media.Play(phone.Tone(400))
	mixed(t, "the customer", customer, 400)
	var rows struct{ Calls []struct{ ID string } }
	id := ""
	eventually(t, "the call", 5*time.Second, func() bool {
		p.api("GET", "/v1/calls?state=talking", nil, &rows)
		if len(rows.Calls) == 1 {
			id = rows.Calls[0].ID
		}
		return id != ""
	})
	command := func(body map[string]any) {
		t.Helper()
		if code := p.api("POST", "/v1/calls/"+id+"/commands", body, nil); code != 200 {
			t.Fatalf("%v: %d", body, code)
		}
	}
	command(map[string]any{"do": "listen", "to": "102"})
	boss := agents["102"].Next(t, 5*time.Second)
	boss.PickUp()
	boss.Media.Play(phone.Tone(1500))
	mixed(t, "who listens", boss, 400, 900)
	mixed(t, "the agent", agent, 900)
	mixed(t, "the customer", customer, 400)
	command(map[string]any{"do": "coach"})
	mixed(t, "the agent, coached", agent, 900, 1500)
	mixed(t, "the customer of a coached agent", customer, 400)
	command(map[string]any{"do": "barge"})
	mixed(t, "the customer, joined", customer, 400, 1500)
	boss.Hangup()
	mixed(t, "the agent again", agent, 900)
	mixed(t, "the customer again", customer, 400)
	agent.Hangup()
	customer.Ended(5 * time.Second)
	if r := p.ended("+79000000720"); string(r.Result) != `"callee"` {
		t.Errorf("%s", r.Result)
	}
}
