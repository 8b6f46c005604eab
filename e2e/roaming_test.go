package e2e

import (
	"net/netip"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// TestAPhoneGoesToAnotherNetwork: in the middle of a call it registers from
// another IP address, and its audio comes from there.
func TestAPhoneGoesToAnotherNetwork(t *testing.T) {
	t.Parallel()
	p := serve(t, files{"ask.ts": `
export default async function (call) {
  const { digits } = await call.gather({ prompt: { play: "tone:500/60s" }, digits: 1, timeout: "60s" });
  call.result = digits;
}`}, conf{sip: `users: {"101": {password: pw}}`})
	wifi, mobile := phone.New(t, "101", "127.0.0.1"), phone.New(t, "101", "127.0.0.2")
	register(t, p, wifi, "pw")
	id := p.place(map[string]any{"script": "ask", "to": "101"})
	c := wifi.Next(t, 10*time.Second)
	c.PickUp()
	c.Media.WaitTone(500, 300*time.Millisecond, 0, 5*time.Second)
	register(t, p, mobile, "pw")
	there := c.Media.Elsewhere(netip.MustParseAddr("127.0.0.2"))
	there.WaitTone(500, 300*time.Millisecond, 0, 10*time.Second)
	there.Press("5")
	c.Ended(10 * time.Second)
	if o := p.done(id); string(o.Result) != `"5"` {
		t.Errorf("%+v", o)
	}
}
