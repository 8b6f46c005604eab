package media

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sdp"
)

// where a name of a test leads.
type names map[string][]string

func (n names) lookup(_ context.Context, host string) (out []netip.Addr, err error) {
	for _, a := range n[host] {
		out = append(out, netip.MustParseAddr(a))
	}
	if len(out) == 0 {
		return nil, errors.New("there is no such name")
	}
	return out, nil
}

// offerNamed is the peer's offer with a name in place of its address.
func (p *party) offerNamed(host string) error {
	p.local.Version++
	_, err := p.s.Answer([]byte(strings.Replace(string(sdp.BuildOffer(p.local)), "c=IN IP4 10.0.0.9", "c=IN IP4 "+host, 1)))
	return err
}

// looking is a studio that looks names up, in a network with private addresses.
func looking(t *testing.T, lookup Lookup) (*studio, func(*SessionOptions)) {
	st := newStudio(t, 1)
	st.engine.names.lookup = lookup
	return st, func(o *SessionOptions) { o.Advertise = netip.MustParseAddr("10.0.0.1") }
}

func TestNamesInDescriptions(t *testing.T) {
	known := names{"media.example": {"2001:db8::1", "10.0.0.9"}, "other.example": {"10.0.0.8"}, "self.example": {"127.0.0.1"}, "all.example": {"224.0.0.1", "0.0.0.0"}}
	for name, tc := range map[string]struct {
		host, symmetric, err string
		goesOn, hears        bool
	}{
		"found":                       {host: "media.example", goesOn: true, hears: true},
		"found, with the root's dot":  {host: "media.example.", goesOn: true, hears: true},
		"somebody else's":             {host: "other.example", goesOn: true},
		"this machine":                {host: "self.example", err: "leads to no address"},
		"no unicast address":          {host: "all.example", err: "leads to no address"},
		"unknown":                     {host: "no.example", err: "no such name"},
		"unknown, but it may move":    {host: "no.example", symmetric: "10.0.0.9", err: "no such name", goesOn: true, hears: true},
		"this machine, behind a door": {host: "self.example", symmetric: "10.0.0.9", err: "leads to no address", goesOn: true, hears: true},
	} {
		t.Run(name, func(t *testing.T) {
			st, change := looking(t, known.lookup)
			p := st.open(func(o *SessionOptions) {
				change(o)
				if tc.symmetric != "" {
					o.Symmetric = netip.MustParseAddr(tc.symmetric)
				}
			})
			if err := p.offerNamed(tc.host); err != nil {
				t.Fatal(err)
			}
			p.s.Start()
			st.run(200*time.Millisecond, nil, p)
			told := p.events.of(NameFound)
			if len(told) != 1 || told[0].Completed != tc.goesOn || (told[0].Err != nil) != (tc.err != "") || tc.err != "" && !strings.Contains(told[0].Err.Error(), tc.err) {
				t.Fatalf("%+v", told)
			}
			if (len(p.packets) > 0) != tc.hears {
				t.Fatalf("%d packets", len(p.packets))
			}
			if !tc.goesOn || tc.err != "" {
				return
			}
			if err := p.offerNamed(tc.host); err != nil { // known now
				t.Fatal(err)
			}
			if again := p.events.of(NameFound); len(again) != 1 || !p.s.Negotiated().Addr.IsValid() || !p.s.Negotiated().RTCP.IsValid() {
				t.Fatalf("%+v, %+v", again, p.s.Negotiated())
			}
		})
	}
}

// TestNameOfAnOldOffer: what is found for an offer counts for no later one.
func TestNameOfAnOldOffer(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	st, change := looking(t, func(context.Context, string) ([]netip.Addr, error) {
		close(asked)
		<-answer
		return []netip.Addr{netip.MustParseAddr("10.0.0.8")}, nil
	})
	p := st.open(change)
	if err := p.offerNamed("media.example"); err != nil {
		t.Fatal(err)
	}
	<-asked
	if p.s.Negotiated().Addr.IsValid() {
		t.Fatal("an address before it is known")
	}
	p.offer(sdp.SendRecv)
	close(answer)
	st.engine.names.wg.Wait()
	if got := p.s.Negotiated().Addr.Addr().String(); got != "10.0.0.9" || len(p.events.of(NameFound)) != 0 {
		t.Fatalf("sends to %s", got)
	}
}

// TestNamesAtOnce: a caller that sends offer after offer is bounded, and so is
// the time of one lookup; Close ends them.
func TestNamesAtOnce(t *testing.T) {
	began := make(chan struct{}, maxLookups)
	st, change := looking(t, func(ctx context.Context, host string) ([]netip.Addr, error) {
		began <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	p := st.open(change)
	for range maxLookups {
		if err := p.offerNamed("slow.example"); err != nil {
			t.Fatal(err)
		}
	}
	for range maxLookups {
		<-began
	}
	own := netip.MustParseAddr("10.0.0.1")
	if _, err := st.engine.names.find("slow.example", own); fault.CodeOf(err) != fault.Limit || st.engine.Stats().NamesRefused != 1 {
		t.Fatalf("%v, %d refused", err, st.engine.Stats().NamesRefused)
	}
	p.s.Close()
	st.engine.names.close()
	if n := st.engine.names.running.Load(); n != 0 {
		t.Fatalf("%d are left", n)
	}
}

func TestAudioMayGo(t *testing.T) {
	for _, tc := range []struct {
		to, own string
		want    bool
	}{
		{"203.0.113.9", "198.51.100.1", true}, {"203.0.113.9", "10.0.0.1", true}, {"2001:db8::9", "2001:db8::1", true},
		{"10.0.0.9", "198.51.100.1", false}, {"10.0.0.9", "192.168.0.1", true}, {"fd00::9", "2001:db8::1", false}, {"127.0.0.1", "10.0.0.1", false},
		{"127.0.0.1", "127.0.0.1", true}, {"10.0.0.9", "127.0.0.1", true}, {"169.254.169.254", "10.0.0.1", false}, {"169.254.0.2", "169.254.0.1", true},
		{"224.0.0.1", "10.0.0.1", false}, {"0.0.0.0", "10.0.0.1", false}, {"255.255.255.255", "10.0.0.1", false}, {"2001:db8::9", "10.0.0.1", false},
	} {
		if got := audioMayGo(netip.MustParseAddr(tc.to), netip.MustParseAddr(tc.own)); got != tc.want {
			t.Errorf("%s from %s: %v", tc.to, tc.own, got)
		}
	}
}

// TestConnectionLines: for all streams, for one, for both, for none.
func TestConnectionLines(t *testing.T) {
	const head, audio = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n", "m=audio 4000 RTP/AVP 8\r\n"
	ours := sdp.Local{Addr: netip.MustParseAddr("10.0.0.1"), Port: 5000, Codecs: []*codec.Codec{codec.PCMA}}
	for name, tc := range map[string]struct{ sdp, addr, host, err string }{
		"for all":                 {head + "c=IN IP4 192.0.2.7\r\nt=0 0\r\n" + audio, "192.0.2.7:4000", "", ""},
		"for one":                 {head + "t=0 0\r\n" + audio + "c=IN IP4 192.0.2.7\r\n", "192.0.2.7:4000", "", ""},
		"for both":                {head + "c=IN IP4 192.0.2.8\r\nt=0 0\r\n" + audio + "c=IN IP4 192.0.2.7\r\n", "192.0.2.7:4000", "", ""},
		"for all a name":          {head + "c=IN IP4 one.example\r\nt=0 0\r\n" + audio + "c=IN IP4 192.0.2.7\r\n", "192.0.2.7:4000", "", ""},
		"for the video only":      {head + "t=0 0\r\nm=video 4002 RTP/AVP 96\r\nc=IN IP4 192.0.2.7\r\n" + audio, "", "", "no connection address"},
		"for none":                {head + "t=0 0\r\n" + audio, "", "", "no connection address"},
		"hold":                    {head + "c=IN IP4 0.0.0.0\r\nt=0 0\r\n" + audio, "0.0.0.0:4000", "", ""},
		"a name":                  {head + "c=IN IP4 media.example\r\nt=0 0\r\n" + audio, "", "media.example", ""},
		"a damaged address":       {head + "c=IN IP4 192.0.2.700\r\nt=0 0\r\n" + audio, "", "", "no unicast"},
		"a multicast address":     {head + "c=IN IP4 224.2.1.1/127\r\nt=0 0\r\n" + audio, "", "", "no unicast"},
		"a zone":                  {head + "c=IN IP6 fe80::1%eth0\r\nt=0 0\r\n" + audio, "", "", "no unicast"},
		"no name":                 {head + "c=IN IP4 -a..b\r\nt=0 0\r\n" + audio, "", "", "no unicast"},
		"too long a name":         {head + "c=IN IP4 " + strings.Repeat("long.", 60) + "example\r\nt=0 0\r\n" + audio, "", "", "no unicast"},
		"another kind of network": {head + "c=ATM NSAP x\r\nt=0 0\r\n" + audio, "", "", "no unicast"},
		"too short":               {head + "c=IN IP4\r\nt=0 0\r\n" + audio, "", "", "no unicast"},
	} {
		t.Run(name, func(t *testing.T) {
			l := ours
			l.Names = true
			_, r, err := sdp.BuildAnswer(l, []byte(tc.sdp))
			switch {
			case tc.err != "":
				if err == nil || !errors.Is(err, sdp.ErrNotAcceptable) || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("%v", err)
				}
				return
			case err != nil:
				t.Fatal(err)
			case r.Name != tc.host || tc.addr != "" && r.Addr.String() != tc.addr || (r.OnHold != (name == "hold")):
				t.Fatalf("%+v", r)
			}
			if _, _, err := sdp.BuildAnswer(ours, []byte(tc.sdp)); (err == nil) != (tc.host == "") {
				t.Fatalf("without names: %v", err)
			}
		})
	}
}
