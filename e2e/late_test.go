package e2e

import (
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

const (
	lateEnv  = "LOOPSTART_E2E_LATE" // set inside the namespace
	lateAddr = "10.79.7.2"
)

// TestListenerComesLater: a listener whose address no interface has at the start
// takes calls from the moment on at which one has it, and others do meanwhile.
func TestListenerComesLater(t *testing.T) {
	t.Parallel()
	if os.Getenv(lateEnv) == "" {
		again(t, namespaces(t, "late")[0], lateEnv, "inside")
		return
	}
	p := setup(t, movingScripts, conf{})
	late := netip.AddrPortFrom(netip.MustParseAddr(lateAddr), p.sip.Port())
	p.write("loopstart.yaml", "sip: {listen: [\"udp://"+late.String()+"\", \"tcp://"+late.String()+"\", \"udp://"+p.sip.String()+"\"], trust: [127.0.0.0/8, 10.79.7.0/24]}\n"+
		"media: {ports: "+p.ports+"}\nhttp: {listen: \""+p.http.String()+"\", tokens: ["+token+"]}\n")
	p.start()
	waiting := func() []string {
		var out struct{ Waiting []string }
		if code := p.api("GET", "/readyz", nil, &out); code != 200 {
			t.Errorf("/readyz: %d", code)
		}
		return out.Waiting
	}
	if got := waiting(); !slices.Equal(got, []string{"udp://" + late.String(), "tcp://" + late.String()}) {
		t.Fatalf("/readyz says that %q wait", got)
	}
	talk := func(ip string, to netip.AddrPort) {
		t.Helper()
		c := phone.New(t, "+79160000009", ip).Call("sip:short@"+to.String(), to)
		c.Answer(200, "INVITE", testLimit)
		c.Ended(testLimit)
	}
	talk("127.0.0.1", p.sip)
	ip(t, "addr add "+lateAddr+"/24 dev lo")
	eventually(t, "the listener", 15*time.Second, func() bool { return len(waiting()) == 0 })
	talk(lateAddr, late)
	talk("127.0.0.1", p.sip)
}
