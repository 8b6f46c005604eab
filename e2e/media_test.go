package e2e

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

func mediaScripts(hook *backend) files {
	return files{
		"slow.ts": `
export const config = { permissions: { http: ["` + hook.host() + `"] } };
export default async function (call) {
  await call.answer();
  await call.play("tone:500/400ms");
  await fetch("` + hook.URL + `/slow");
  await call.play("tone:800/400ms");
}`,
		"digits.ts": `
export default async function (call) {
  await call.answer();
  call.result = (await call.gather({ digits: 12, timeout: "5s", interDigitTimeout: "3s" })).digits;
}`,
		"barge.ts": `
export default async function (call) {
  await call.answer();
  const out = [];
  for (let i = 0; i < 4; i++) {
    const r = await call.play("tone:500/5s", { bargeIn: true });
    out.push(r);
    await call.gather({ digits: 1, timeout: "1s" });
    await call.play("silence:300ms");
  }
  call.result = out;
}`,
		"ahead.ts": `
export default async function (call) {
  await call.answer();
  await call.play("tone:500/900ms");
  const kept = await call.gather({ digits: 2, prompt: { play: "tone:800/5s" }, timeout: "1s" });
  await call.play("tone:500/900ms");
  const flushed = await call.gather({ digits: 2, flush: true, timeout: "600ms" });
  call.result = [kept.digits, flushed.digits, flushed.reason];
}`,
		"send.ts": `
export default async function (call) {
  await call.answer();
  await call.play("tone:500/200ms");
  await call.sendDigits("1w#");
  await call.play("tone:800/200ms");
}`,
		"secret.ts": `
export const config = { record: true };
export default async function (call) {
  await call.answer();
  const r = await call.gather({ digits: 3, secret: true, timeout: "5s" });
  call.result = r.digits.length;
}`,
	}
}

// checkStream asserts what every receiver of RTP relies on (RFC 3550, RFC 3551
// §4.1): one source, sequence and timestamps without a break, the marker only
// where a talkspurt begins, no pause.
func checkStream(t testing.TB, packets []phone.Packet, pt uint8, gap time.Duration) {
	t.Helper()
	if len(packets) == 0 {
		t.Error("no packets")
		return
	}
	sound := func(p phone.Packet) bool { return !phone.IsSilent(phone.PCM([]phone.Packet{p})) }
	for i, p := range packets {
		if p.PT != pt || len(p.Payload) != 160 {
			t.Errorf("packet %d: payload type %d of %d bytes, not %d of 160", i, p.PT, len(p.Payload), pt)
			return
		}
		if i == 0 {
			if !p.Marker {
				t.Error("the first packet has no marker")
			}
			continue
		}
		q := packets[i-1]
		if p.SSRC != q.SSRC || p.From != q.From || p.Seq != q.Seq+1 || p.TS != q.TS+160 {
			t.Errorf("packet %d: %s %08x %d/%d follows %s %08x %d/%d", i, p.From, p.SSRC, p.Seq, p.TS, q.From, q.SSRC, q.Seq, q.TS)
		}
		if p.Marker && (sound(q) || !sound(p)) {
			t.Errorf("packet %d has a marker within a talkspurt", i)
		}
	}
	if most := phone.MaxGap(packets); most > gap {
		t.Errorf("a pause of %s", most)
	}
}

// TestMedia does not run beside other tests: it looks at single packets.
func TestMedia(t *testing.T) {
	hook := newBackend(t)
	hook.wait = 1500 * time.Millisecond
	p := serve(t, mediaScripts(hook), conf{})
	dial := func(t testing.TB, from, script string, formats ...phone.Format) *phone.Call {
		t.Helper()
		ua := phone.New(t, from, "127.0.0.1")
		m := phone.NewMedia(t, ua.Addr.Addr())
		m.Local.Formats = formats
		c := ua.Dial(p.uri(script), p.sip, m.Offer())
		c.Media = m
		return c
	}

	t.Run("RTP goes on while the script waits for HTTP", func(t *testing.T) {
		t.Parallel()
		steady(t, func(t testing.TB, n int) {
			from := fmt.Sprintf("+79000000501%d", n)
			c := dial(t, from, "slow")
			ok := c.Talk(5 * time.Second)
			c.Media.WaitTone(800, 320*time.Millisecond, 0, 8*time.Second)
			c.Ended(3 * time.Second)
			packets := c.Media.Packets()
			checkStream(t, packets, 8, 60*time.Millisecond)
			if at := phone.ReadSDP(ok.Body).Addr; packets[0].From != at {
				t.Errorf("RTP comes from %s, the answer names %s", packets[0].From, at)
			}
			pcm := phone.PCM(packets)
			if a, b := phone.ToneTime(pcm, 500), phone.ToneTime(pcm, 800); a < 380*time.Millisecond || a > 400*time.Millisecond || b > 400*time.Millisecond {
				t.Errorf("tones of %s and %s, not 400ms", a, b)
			}
			if span := packets[len(packets)-1].At.Sub(packets[0].At); (span - time.Duration(len(packets)-1)*20*time.Millisecond).Abs() > 60*time.Millisecond {
				t.Errorf("%d packets in %s", len(packets), span)
			}
		})
	})
	t.Run("mu-law when it is offered first", func(t *testing.T) {
		t.Parallel()
		steady(t, func(t testing.TB, n int) {
			from := fmt.Sprintf("+79000000502%d", n)
			c := dial(t, from, "slow", phone.FormatPCMU)
			c.Answer(200, "INVITE", 5*time.Second)
			c.Media.Connect("v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 9 RTP/AVP 0\r\n")
			c.Media.WaitTone(500, 320*time.Millisecond, 0, 5*time.Second)
			checkStream(t, c.Media.Packets(), 0, 60*time.Millisecond)
			c.Hangup()
		})
	})
	t.Run("no common codec", func(t *testing.T) {
		t.Parallel()
		dial(t, "+79000000503", "slow", phone.Format{PT: 18, Name: "G729/8000"}).Answer(488, "INVITE", 5*time.Second)
	})
	for i, pt := range []uint8{96, 100, 127} {
		t.Run(fmt.Sprintf("events as payload type %d", pt), func(t *testing.T) {
			t.Parallel()
			p := p.in(t)
			from := fmt.Sprintf("+7900000051%d", i)
			c := dial(t, from, "digits", phone.FormatPCMA, phone.Format{PT: pt, Name: "telephone-event/8000", Fmtp: "0-16", Event: true})
			ok := c.Talk(5 * time.Second)
			if got := phone.ReadSDP(ok.Body).Events(); got != pt {
				t.Fatalf("the answer has events as %d:\n%s", got, ok.Body)
			}
			c.Media.NoMarker = pt == 100
			c.Media.Press("1234567890*#")
			c.Ended(5 * time.Second)
			if r := p.ended(from); string(r.Result) != `"1234567890*#"` {
				t.Errorf("result %s", r.Result)
			}
		})
	}
	t.Run("a key stops the prompt within 100 ms", func(t *testing.T) {
		t.Parallel()
		steady(t, func(t testing.TB, n int) {
			p := p.in(t)
			from := fmt.Sprintf("+79000000520%d", n)
			c := dial(t, from, "barge")
			c.Talk(5 * time.Second)
			var played []int
			for i := range 4 {
				mark := c.Media.Mark()
				c.Media.WaitTone(500, time.Duration(200+100*i)*time.Millisecond, mark, 5*time.Second)
				pressed := c.Media.Press("5")
				last, n := time.Time{}, 0
				for _, one := range c.Media.Packets()[mark:] {
					if phone.IsTone(phone.PCM([]phone.Packet{one}), 500) {
						last = one.At
						n++
					}
				}
				if d := last.Sub(pressed); d > 100*time.Millisecond {
					t.Errorf("the prompt goes on for %s", d)
				}
				played = append(played, n*20)
			}
			c.Ended(5 * time.Second)
			r := p.ended(from)
			var results []struct {
				Completed bool
				Digit     string
				PlayedMs  int
				Percent   float64
			}
			decode(t, r.Result, &results)
			for i, one := range results {
				off := one.PlayedMs - played[i]
				if one.Completed || one.Digit != "5" || off < -20 || off > 60 || int(one.Percent+0.5) < one.PlayedMs/50-1 || int(one.Percent+0.5) > one.PlayedMs/50+1 {
					t.Errorf("%+v, %d ms were heard", one, played[i])
				}
			}
			total := 0
			for _, n := range played {
				total += n
			}
			if r.Heard.Ms < total-80 || r.Heard.Ms > total+300*4+200 {
				t.Errorf("the record says %d ms, %d ms of the tone were heard", r.Heard.Ms, total)
			}
		})
	})
	t.Run("keys typed ahead", func(t *testing.T) {
		t.Parallel()
		steady(t, func(t testing.TB, n int) {
			p := p.in(t)
			from := fmt.Sprintf("+79000000521%d", n)
			c := dial(t, from, "ahead")
			c.Talk(5 * time.Second)
			c.Media.WaitTone(500, 100*time.Millisecond, 0, 3*time.Second)
			c.Media.Press("42")
			c.Media.WaitTone(500, 1000*time.Millisecond, 0, 5*time.Second)
			c.Media.Press("17")
			c.Ended(8 * time.Second)
			if d := phone.ToneTime(c.Media.Since(0), 800); d > 0 {
				t.Errorf("%s of a prompt that was answered before", d)
			}
			if d := phone.ToneTime(c.Media.Since(0), 500); d < 1760*time.Millisecond {
				t.Errorf("keys cut the prompts without barge-in to %s", d)
			}
			if r := p.ended(from); string(r.Result) != `["42","","timeout"]` {
				t.Errorf("result %s", r.Result)
			}
		})
	})
	t.Run("keys we send", func(t *testing.T) {
		t.Parallel()
		steady(t, func(t testing.TB, n int) {
			from := fmt.Sprintf("+79000000522%d", n)
			c := dial(t, from, "send", phone.FormatPCMA, phone.Format{PT: 99, Name: "telephone-event/8000", Fmtp: "0-16", Event: true})
			c.Talk(5 * time.Second)
			c.Media.WaitTone(800, 120*time.Millisecond, 0, 5*time.Second)
			c.Ended(3 * time.Second)
			checkSentKeys(t, c.Media.Packets(), 99, "1#")
		})
	})
	t.Run("secret keys leave no trace", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		c := dial(t, "+79000000523", "secret")
		c.Talk(5 * time.Second)
		c.Media.WaitPackets(10, 0, 3*time.Second)
		c.Media.Press("917")
		c.Ended(5 * time.Second)
		r := p.ended("+79000000523")
		if string(r.Result) != "3" {
			t.Errorf("result %s", r.Result)
		}
		keys := 0
		for _, e := range p.timeline(r.ID) {
			if e.Kind == "digit" {
				keys++
				if strings.ContainsAny(e.Detail, "917") {
					t.Errorf("%+v", e)
				}
			}
		}
		if keys != 3 {
			t.Errorf("%d keys in the timeline", keys)
		}
	})
}

// checkSentKeys asserts RFC 4733 §2.5 of what was received as keys.
func checkSentKeys(t testing.TB, packets []phone.Packet, pt uint8, want string) {
	t.Helper()
	got := ""
	for i := 0; i < len(packets); {
		p := packets[i]
		if p.PT != pt {
			i++
			continue
		}
		if !p.Marker {
			t.Errorf("key %d begins without a marker", len(got))
		}
		ends, last := 0, uint16(0)
		for ; i < len(packets) && packets[i].PT == pt && packets[i].TS == p.TS; i++ {
			q := packets[i].Payload
			d := uint16(q[2])<<8 | uint16(q[3])
			if d < last || q[0] != p.Payload[0] {
				t.Errorf("key %d: code %d, duration %d after %d", len(got), q[0], d, last)
			}
			last = d
			if q[1]&0x80 != 0 {
				ends++
			}
		}
		if ends != 3 || last < 800 {
			t.Errorf("key %d: %d ends, %d ms", len(got), ends, last/8)
		}
		got += string("0123456789*#ABCD"[p.Payload[0]])
	}
	if got != want {
		t.Errorf("keys %q, not %q", got, want)
	}
	for i := 1; i < len(packets); i++ {
		p, q := packets[i], packets[i-1]
		if p.Seq != q.Seq+1 || p.SSRC != q.SSRC {
			t.Errorf("packet %d: sequence %d after %d", i, p.Seq, q.Seq)
		}
		if p.PT != pt && q.PT == pt { // audio goes on at the real time
			if j := slices.IndexFunc(packets, func(x phone.Packet) bool { return x.PT == pt }); j > 0 && (p.TS-packets[0].TS)%160 != 0 {
				t.Errorf("packet %d: timestamp %d after a key", i, p.TS)
			}
		}
	}
	if n, span := len(packets)-1, packets[len(packets)-1].TS-packets[0].TS; span != uint32(n)*160 {
		t.Errorf("%d packets span %d ms of timestamps", n+1, span/8)
	}
}

func TestMediaTimeout(t *testing.T) {
	t.Parallel()
	p := serve(t, files{"wait.ts": `export default async (call) => { await call.answer(); await call.play("tone:500", { loop: true }); }`}, conf{media: "timeout: 2s"})
	c := phone.New(t, "+79000000530", "127.0.0.1").Call(p.uri("wait"), p.sip)
	c.Talk(5 * time.Second)
	c.Media.WaitPackets(25, 0, 3*time.Second)
	c.Media.Mute(true)
	began, limit := time.Now(), phone.Within(3*time.Second)
	// An intruder's packets are no sign of life.
	intruder := phone.NewMedia(t, netip.MustParseAddr("127.0.0.9"))
	intruder.Redirect(c.Media.Remote())
	intruder.Start()
	c.Ended(5 * time.Second)
	if d := time.Since(began); d < 1500*time.Millisecond || limit.Over() {
		t.Errorf("ended after %s, not 2s", d)
	}
	if r := p.ended("+79000000530"); r.EndedBy == "caller" || !strings.Contains(r.Cause, "media") {
		t.Errorf("by %s, %s", r.EndedBy, r.Cause)
	}
}
