package e2e

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// TestHold holds and resumes a call in every form that phones use, and looks
// at both the answer's direction and the audio.
func TestHold(t *testing.T) {
	t.Parallel()
	p := serve(t, files{"wait.ts": `
export default async function (call) {
  const seen = [];
  call.on("hold", e => { seen.push(e.held); call.result = seen; });
  await call.answer();
  await call.play("tone:500", { loop: true });
}`}, conf{})
	for i, form := range []struct {
		name, direction, want string
		addr                  bool // c=0.0.0.0
		heard                 bool // audio goes on towards the phone
	}{
		{"sendonly", "sendonly", "recvonly", false, false},
		{"inactive", "inactive", "inactive", false, false},
		{"c=0.0.0.0", "", "", true, false},
	} {
		t.Run(form.name, func(t *testing.T) {
			t.Parallel()
			p := p.in(t)
			from := "+7900000010" + string(rune('0'+i))
			c := phone.New(t, from, "127.0.0.1").Call(p.uri("wait"), p.sip)
			first := phone.ReadSDP(c.Talk(5 * time.Second).Body)
			c.Media.WaitTone(500, 180*time.Millisecond, 0, 3*time.Second)

			hold := c.Media.Local
			hold.Version, hold.Direction = 1, form.direction
			if form.addr {
				hold.Addr = netip.AddrPortFrom(netip.IPv4Unspecified(), hold.Addr.Port())
			}
			req := c.Reinvite(hold.String())
			ok := c.Wait("200 to the hold", 3*time.Second, answerTo(req))
			held := phone.ReadSDP(ok.Body)
			if form.want != "" && held.Direction != form.want {
				t.Errorf("%s is answered with %s", form.name, held.Direction)
			}
			if held.Addr != first.Addr {
				t.Errorf("the hold moves our audio from %s to %s", first.Addr, held.Addr)
			}
			time.Sleep(100 * time.Millisecond)
			mark := c.Media.Mark()
			time.Sleep(400 * time.Millisecond)
			if d := phone.ToneTime(c.Media.Since(mark), 500); d > 0 {
				t.Errorf("%s of prompt while on hold", d)
			}

			back := c.Media.Local
			back.Version = 2
			req = c.Reinvite(back.String())
			ok = c.Wait("200 to the resume", 3*time.Second, answerTo(req))
			if d := phone.ReadSDP(ok.Body).Direction; d != "sendrecv" {
				t.Errorf("resume is answered with %s", d)
			}
			mark = c.Media.Mark()
			c.Media.WaitTone(500, 180*time.Millisecond, mark, 3*time.Second)
			c.Hangup()
			if r := p.ended(from); string(r.Result) != "[true,false]" {
				t.Errorf("the script saw %s", r.Result)
			}
		})
	}
	t.Run("an offer without a common codec changes nothing", func(t *testing.T) {
		t.Parallel()
		c := phone.New(t, "+79000000110", "127.0.0.1").Call(p.uri("wait"), p.sip)
		c.Talk(5 * time.Second)
		bad := c.Media.Local
		bad.Formats = []phone.Format{{PT: 18, Name: "G729/8000"}}
		req := c.Reinvite(bad.String())
		c.Wait("488", 3*time.Second, func(m *phone.Message) bool { return m.Code == 488 && sameCSeq(m, req) })
		mark := c.Media.Mark()
		c.Media.WaitTone(500, 180*time.Millisecond, mark, 3*time.Second)
		c.Hangup()
		c.Answer(200, "BYE", 3*time.Second)
	})
	t.Run("re-INVITE moves the audio", func(t *testing.T) {
		t.Parallel()
		c := phone.New(t, "+79000000111", "127.0.0.1").Call(p.uri("wait"), p.sip)
		c.Talk(5 * time.Second)
		c.Media.WaitTone(500, 140*time.Millisecond, 0, 3*time.Second)
		other := phone.NewMedia(t, netip.MustParseAddr("127.0.0.1"))
		offer := other.Local
		offer.Version = 1
		req := c.Reinvite(offer.String())
		ok := c.Wait("200", 3*time.Second, answerTo(req))
		other.Connect(ok.Body)
		other.Start()
		other.WaitTone(500, 180*time.Millisecond, 0, 3*time.Second)
		if at := other.Packets()[0].At; at.Sub(ok.At) > 100*time.Millisecond {
			t.Errorf("audio comes %s after the answer", at.Sub(ok.At))
		}
		mark := c.Media.Mark()
		time.Sleep(200 * time.Millisecond)
		if n := c.Media.Mark() - mark; n > 0 {
			t.Errorf("%d packets more to the old address", n)
		}
		c.Hangup()
		c.Answer(200, "BYE", 3*time.Second)
	})
	t.Run("re-INVITE without an offer", func(t *testing.T) {
		t.Parallel()
		c := phone.New(t, "+79000000112", "127.0.0.1").Call(p.uri("wait"), p.sip)
		c.Talk(5 * time.Second)
		c.Lazy = true
		req := c.Reinvite("")
		ok := c.Wait("200", 3*time.Second, answerTo(req))
		if !strings.Contains(ok.Body, "m=audio") {
			t.Fatalf("no offer in\n%s", ok.Body)
		}
		c.Ack(ok, c.Media.Answer(ok.Body))
		mark := c.Media.Mark()
		c.Media.WaitTone(500, 180*time.Millisecond, mark, 3*time.Second)
		c.Hangup()
		c.Answer(200, "BYE", 3*time.Second)
	})
}

func sameCSeq(m, req *phone.Message) bool { return m.Get("cseq") == req.Get("cseq") }

// answerTo fits the 200 to a request.
func answerTo(req *phone.Message) func(*phone.Message) bool {
	return func(m *phone.Message) bool { return m.Code == 200 && sameCSeq(m, req) }
}

func TestIPv6(t *testing.T) {
	t.Parallel()
	if !hasIPv6() {
		unable(t, "no IPv6 on loopback")
	}
	p := serve(t, files{"six.ts": `
export default async function (call) {
  await call.answer();
  call.result = (await call.gather({ prompt: { play: "tone:500/3s" }, digits: 1 })).digits;
  await call.play("tone:800/400ms");
}`}, conf{ip: "::1"})
	for _, tcp := range []bool{false, true} {
		ua := phone.New(t, map[bool]string{false: "+79000000120", true: "+79000000121"}[tcp], "::1")
		ua.TCP = tcp
		c := ua.Call(p.uri("six"), p.sip)
		ok := c.Talk(5 * time.Second)
		if !phone.ReadSDP(ok.Body).Addr.Addr().Is6() {
			t.Errorf("audio address in\n%s", ok.Body)
		}
		c.Media.WaitTone(500, 180*time.Millisecond, 0, 3*time.Second)
		c.Media.Press("6")
		c.Media.WaitTone(800, 180*time.Millisecond, 0, 3*time.Second)
		c.Ended(3 * time.Second)
		if r := p.ended(ua.Name); string(r.Result) != `"6"` {
			t.Errorf("result %s", r.Result)
		}
	}
}
