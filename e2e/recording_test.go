package e2e

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

func decode(t testing.TB, raw json.RawMessage, out any) {
	t.Helper()
	if err := json.Unmarshal(raw, out); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
}

var recordScripts = files{
	"message.ts": `
export default async function (call) {
  await call.answer();
  await call.play("tone:500/300ms");
  const r = await call.record({ maxDuration: "2s" });
  call.result = { id: r.id, ms: r.durationMs, reason: r.reason, link: await r.link({ ttl: "1m" }) };
}`,
	"whole.ts": `
export const config = { record: { stereo: true } };
export default async function (call) {
  await call.answer();
  await call.play("tone:500/1s");
  await call.play("silence:500ms");
  await call.play("tone:800/1s");
}`,
	"pause.ts": `
export default async function (call) {
  await call.answer();
  const rec = await call.recording.start({ stereo: false });
  await call.play("silence:700ms");
  await call.recording.pause();
  await call.play("silence:700ms");
  await call.recording.resume();
  await call.play("silence:700ms");
  const r = await call.recording.stop();
  call.result = { id: r.id, ms: r.durationMs };
}`,
	"again.ts": `
export default async function (call) {
  await call.answer();
  const r = await call.record({ silence: "800ms", maxDuration: "10s", beep: true });
  call.result = r.reason;
  await call.play("tone:1400/200ms");
  await call.play(r);
}`,
}

// said is what the phone has sent, decoded as the other side must decode it.
func said(m *phone.Media) []int16 {
	var out []int16
	for _, f := range m.Sent() {
		for _, b := range f.Payload {
			out = append(out, phone.DecodeALaw(b))
		}
	}
	return out
}

// align finds where the recording lies in what was said or heard: the place of
// a run of n samples of one in the other. It returns the index in source of
// the recording's first sample.
func align(t testing.TB, source, recorded []int16, at, n int) int {
	t.Helper()
	if len(recorded) < at+n {
		t.Fatalf("a recording of %d samples", len(recorded))
	}
	needle := recorded[at : at+n]
	for i := 0; i+n <= len(source); i++ {
		if source[i] == needle[0] && slices.Equal(source[i:i+n], needle) {
			return i - at
		}
	}
	t.Fatal("the recording has something that was never said")
	return 0
}

// checkSaid asserts that a recording is what was said, sample by sample. At
// both ends up to edge samples may be silence: what came before the recording
// began or after it had ended.
func checkSaid(t testing.TB, source, recorded []int16, edge int) {
	t.Helper()
	from := align(t, source, recorded, len(recorded)/2, 800)
	first, last := 0, len(recorded)
	for first < last && recorded[first] == 0 {
		first++
	}
	for last > first && recorded[last-1] == 0 {
		last--
	}
	if first > edge || last < len(recorded)-edge {
		t.Errorf("only samples %d to %d of %d have sound", first, last, len(recorded))
	}
	if n := differences(source, recorded[first:last], from+first); n > 0 {
		t.Errorf("%d of %d samples differ", n, last-first)
	}
}

// fetchRecording gets a recording's channels through the API.
func (p *project) fetchRecording(id string) [][]int16 {
	p.t.Helper()
	var raw []byte
	eventually(p.t, "recording "+id, 5*time.Second, func() bool { return p.api("GET", "/v1/calls/"+id+"/recording", nil, &raw) == 200 })
	rate, channels, err := phone.ReadWAV(raw)
	if err != nil || rate != 8000 {
		p.t.Fatalf("recording %s: %d Hz, %v", id, rate, err)
	}
	return channels
}

// differences counts the samples that are not where they belong.
func differences(source, recorded []int16, from int) (n int) {
	for i, v := range recorded {
		if j := from + i; j < 0 || j >= len(source) || source[j] != v {
			n++
		}
	}
	return n
}

func TestRecordings(t *testing.T) {
	p := serve(t, recordScripts, conf{})
	dial := func(t testing.TB, from, script string) *phone.Call {
		t.Helper()
		c := phone.New(t, from, "127.0.0.1").Call(p.uri(script), p.sip)
		c.Talk(5 * time.Second)
		c.Media.Play(phone.Noise(1))
		return c
	}

	t.Run("a message, bit by bit, whatever an intruder sends", func(t *testing.T) {
		t.Parallel()
		steady(t, func(t testing.TB, n int) {
			p := p.in(t)
			from := fmt.Sprintf("+79000000601%d", n)
			c := dial(t, from, "message")
			c.Media.WaitTone(500, 200*time.Millisecond, 0, 3*time.Second)
			intruder := phone.NewMedia(t, netip.MustParseAddr("127.0.0.9"))
			intruder.Redirect(c.Media.Remote())
			intruder.Play(phone.Noise(99))
			intruder.Start()
			c.Ended(8 * time.Second)
			var got struct {
				ID, Reason, Link string
				Ms               int
			}
			r := p.ended(from)
			decode(t, r.Result, &got)
			if got.Reason != "maxDuration" || got.Ms < 1900 || got.Ms > 2200 || got.Link == "" {
				t.Errorf("%+v", got)
			}
			channels := p.fetchRecording(r.ID)
			if len(channels) != 1 || len(channels[0]) != 16000 {
				t.Fatalf("%d channels, %d samples", len(channels), len(channels[0]))
			}
			checkSaid(t, said(c.Media), channels[0], 320)
			if n := intruder.Mark(); n > 0 {
				t.Errorf("%d packets were sent to the intruder", n)
			}
		})
	})
	t.Run("an intruder who comes first", func(t *testing.T) {
		t.Parallel()
		steady(t, func(t testing.TB, n int) {
			p := p.in(t)
			from := fmt.Sprintf("+79000000605%d", n)
			c := phone.New(t, from, "127.0.0.1").Call(p.uri("message"), p.sip)
			c.Media.Connect(c.Answer(200, "INVITE", 5*time.Second).Body)
			intruder := phone.NewMedia(t, netip.MustParseAddr("127.0.0.9"))
			intruder.Redirect(c.Media.Remote())
			intruder.Play(phone.Noise(99))
			intruder.Start()
			c.Media.WaitTone(500, 200*time.Millisecond, 0, 3*time.Second)
			c.Media.Play(phone.Noise(1))
			c.Media.Start()
			c.Ended(8 * time.Second)
			checkSaid(t, said(c.Media), p.fetchRecording(p.ended(from).ID)[0], 1600)
			if n := intruder.Mark(); n > 0 {
				t.Errorf("%d packets were sent to the intruder", n)
			}
		})
	})
	t.Run("the whole call in stereo", func(t *testing.T) {
		t.Parallel()
		steady(t, func(t testing.TB, n int) {
			p := p.in(t)
			from := fmt.Sprintf("+79000000602%d", n)
			c := dial(t, from, "whole")
			c.Ended(8 * time.Second)
			r := p.ended(from)
			if r.Recording != r.ID {
				t.Errorf("recording %q", r.Recording)
			}
			channels := p.fetchRecording(r.ID)
			if len(channels) != 2 || len(channels[0]) < 19200 || len(channels[0]) > 21600 {
				t.Fatalf("%d channels, %d samples of 2.5 s", len(channels), len(channels[0]))
			}
			checkSaid(t, said(c.Media), channels[0], 1600)
			heard := phone.Timed(c.Media.Packets())
			right := channels[1]
			edge := slices.IndexFunc(right, func(v int16) bool { return v > 1000 })
			if edge < 0 {
				t.Fatal("nothing of our side")
			}
			start := align(t, heard, right, edge, 8000)
			end := min(len(right), len(heard)-start)
			if begin := max(0, -start); end < len(right)-800 || differences(heard, right[begin:end], start+begin) > 0 {
				t.Errorf("our side: %d samples differ of %d..%d", differences(heard, right[begin:end], start+begin), begin, end)
			}
		})
	})
	t.Run("pause is silence", func(t *testing.T) {
		t.Parallel()
		steady(t, func(t testing.TB, n int) {
			p := p.in(t)
			from := fmt.Sprintf("+79000000603%d", n)
			c := dial(t, from, "pause")
			c.Ended(8 * time.Second)
			r := p.ended(from)
			pcm := p.fetchRecording(r.ID)[0]
			if d := len(pcm) / 8; d < 2050 || d > 2400 {
				t.Errorf("%d ms, not 2100", d)
			}
			loud, quiet := 0, 0
			for i := 0; i+160 <= len(pcm); i += 160 {
				if phone.IsSilent(pcm[i : i+160]) {
					quiet += 20
				} else {
					loud += 20
				}
			}
			if quiet < 640 || quiet > 1000 || loud < 1250 {
				t.Errorf("%d ms of sound, %d ms of silence", loud, quiet)
			}
		})
	})
	t.Run("a message ends with silence and is played back", func(t *testing.T) {
		t.Parallel()
		steady(t, func(t testing.TB, n int) {
			p := p.in(t)
			from := fmt.Sprintf("+79000000604%d", n)
			c := phone.New(t, from, "127.0.0.1").Call(p.uri("again"), p.sip)
			c.Talk(5 * time.Second)
			c.Media.WaitTone(1000, 200*time.Millisecond, 0, 3*time.Second)
			c.Media.Play(phone.Tone(620))
			time.Sleep(700 * time.Millisecond)
			c.Media.Play(nil)
			c.Media.WaitTone(1400, 120*time.Millisecond, 0, 5*time.Second)
			c.Media.WaitTone(620, 500*time.Millisecond, 0, 5*time.Second)
			c.Ended(5 * time.Second)
			if r := p.ended(from); string(r.Result) != `"silence"` {
				t.Errorf("%s", r.Result)
			}
		})
	})
}
