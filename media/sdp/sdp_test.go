package sdp

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/mediatest"
)

// narrowCodecs are those of a description that does not name its own.
var narrowCodecs = []*codec.Codec{codec.PCMA, codec.PCMU}

// update rewrites the expected half of the transcripts in testdata.
var update = flag.Bool("update", false, "rewrite testdata")

// TestSDPTranscripts runs testdata: what a peer says, what we answer and
// what we then believe. An "offer" is answered, a "reply" answers our offer.
func TestSDPTranscripts(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.txt"))
	if err != nil || len(files) < 30 {
		t.Fatalf("%d transcripts, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			mediatest.Must(t, err)
			got := runTranscript(t, archive)
			if *update {
				archive.Files = append(archive.Files[:2], got...)
				mediatest.Must(t, os.WriteFile(file, txtar.Format(archive), 0o644))
				return
			}
			want := &txtar.Archive{Files: archive.Files[2:]}
			if g, w := string(txtar.Format(&txtar.Archive{Files: got})), string(txtar.Format(want)); g != w {
				t.Errorf("got\n%s\nwant\n%s", g, w)
			}
		})
	}
}

func runTranscript(t *testing.T, archive *txtar.Archive) []txtar.File {
	t.Helper()
	local := localOf(t, string(archive.Files[0].Data))
	body := []byte(strings.ReplaceAll(string(archive.Files[1].Data), "\n", "\r\n"))
	var remote Remote
	var answer []byte
	var err error
	switch name := archive.Files[1].Name; name {
	case "offer":
		if answer, remote, err = BuildAnswer(local, body); err == nil {
			checkAnswer(t, body, answer, remote)
		}
	case "reply":
		remote, err = ReadAnswer(local, body)
	default:
		t.Fatalf("section %q", name)
	}
	if err != nil {
		if f, ok := errors.AsType[*fault.Error](err); !ok || f.Code != fault.Media || !errors.Is(err, ErrNotAcceptable) {
			t.Errorf("the caller cannot tell a 488: %v", err)
		}
		return []txtar.File{{Name: "error", Data: []byte(err.Error() + "\n")}}
	}
	out := []txtar.File{}
	if answer != nil {
		out = append(out, txtar.File{Name: "answer", Data: []byte(strings.ReplaceAll(string(answer), "\r\n", "\n"))})
	}
	return append(out, txtar.File{Name: "remote", Data: []byte(describe(remote))})
}

// localOf reads "addr=… port=… codecs=… direction=… event=…".
func localOf(t *testing.T, text string) Local {
	t.Helper()
	l := Local{SessionID: 7, Version: 3, Codecs: narrowCodecs}
	for field := range strings.FieldsSeq(text) {
		key, value, _ := strings.Cut(field, "=")
		n, _ := strconv.Atoi(value)
		switch key {
		case "addr":
			l.Addr = netip.MustParseAddr(value)
		case "port":
			l.Port = uint16(n)
		case "event":
			l.EventPT = uint8(n)
		case "direction":
			l.Direction, _ = parseDirection(value)
		case "codecs":
			l.Codecs = nil
			for name := range strings.SplitSeq(value, ",") {
				c, _ := codec.ByName(name)
				l.Codecs = append(l.Codecs, c)
			}
		default:
			t.Fatalf("local: %q", field)
		}
	}
	return l
}

// checkAnswer holds for every answer: same m= lines in the same order, one of
// them accepted, and a peer that reads it agrees with us.
func checkAnswer(t *testing.T, offer, answer []byte, r Remote) {
	t.Helper()
	theirs, err := parseSDP(offer)
	mediatest.Must(t, err)
	ours, err := parseSDP(answer)
	mediatest.Must(t, err)
	if len(theirs.media) != len(ours.media) {
		t.Fatalf("%d m= lines answered with %d", len(theirs.media), len(ours.media))
	}
	active := 0
	for i, m := range ours.media {
		if m.kind != theirs.media[i].kind || m.proto != theirs.media[i].proto || len(m.formats) == 0 {
			t.Errorf("m= line %d is %s %s", i, m.kind, m.proto)
		}
		if m.port != 0 {
			active++
		}
	}
	if active != 1 {
		t.Errorf("%d streams accepted", active)
	}
	peer := Local{Codecs: codec.All(), Direction: r.Direction}
	seen, err := ReadAnswer(peer, answer)
	mediatest.Must(t, err)
	if seen.Codec != r.Codec || seen.SendPT != r.RecvPT || seen.EventSend.PT != r.EventSend.PT || seen.Effective != r.Effective.Reverse() {
		t.Errorf("the peer would believe %s", describe(seen))
	}
}

// describe prints a Remote for the transcripts.
func describe(r Remote) string {
	var b strings.Builder
	fmt.Fprintf(&b, "rtp %s, rtcp %s\n", r.Addr, r.RTCP)
	fmt.Fprintf(&b, "codec %s, send %d, receive %d, takes", r.Codec.Name, r.SendPT, r.RecvPT)
	for _, f := range r.Formats {
		fmt.Fprintf(&b, " %d=%s", f.PT, f.Codec.Name)
	}
	fmt.Fprintf(&b, "\nevents send %s, takes", describeEvent(r.EventSend))
	for _, f := range r.EventPT {
		fmt.Fprintf(&b, " %s", describeEvent(f))
	}
	fmt.Fprintf(&b, "\ndirection theirs %s, ours %s, hold %v, ptime %d\n", r.Direction, r.Effective, r.OnHold, r.PtimeMs)
	return b.String()
}

func describeEvent(f EventFormat) string {
	if f.PT == 0 {
		return "none"
	}
	return fmt.Sprintf("%d/%d(%x)", f.PT, f.Clock, f.Events)
}

func testLocal() Local {
	return Local{Addr: netip.MustParseAddr("192.0.2.10"), Port: 40000, SessionID: 7, Version: 3, Codecs: narrowCodecs}
}

func TestOffer(t *testing.T) {
	want := strings.ReplaceAll(`v=0
o=loopstart 7 3 IN IP4 192.0.2.10
s=-
c=IN IP4 192.0.2.10
t=0 0
m=audio 40000 RTP/AVP 8 0 101
a=rtpmap:8 PCMA/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=ptime:20
a=sendrecv
`, "\n", "\r\n")
	l := testLocal()
	if got := string(BuildOffer(l)); got != want {
		t.Errorf("%s", got)
	}
	l.Addr = netip.MustParseAddr("::ffff:192.0.2.10")
	if got := string(BuildOffer(l)); got != want {
		t.Errorf("a mapped address: %s", got)
	}
}

// Both ends of an exchange believe the same.
func TestOfferAnswerAgree(t *testing.T) {
	for _, dir := range []Direction{SendRecv, SendOnly, RecvOnly, Inactive} {
		for _, peer := range []Direction{SendRecv, SendOnly, RecvOnly, Inactive} {
			us, them := testLocal(), testLocal()
			us.Direction, us.EventPT = dir, 98
			them.Direction, them.Port, them.Codecs = peer, 50000, []*codec.Codec{codec.PCMU}
			answer, theirs, err := BuildAnswer(them, BuildOffer(us))
			mediatest.Must(t, err)
			ours, err := ReadAnswer(us, answer)
			mediatest.Must(t, err)
			if ours.Effective != theirs.Effective.Reverse() || ours.Codec != codec.PCMU || theirs.Codec != codec.PCMU {
				t.Errorf("%s to %s: %s and %s", dir, peer, ours.Effective, theirs.Effective)
			}
			if ours.Addr.Port() != 50000 || theirs.Addr.Port() != 40000 || ours.EventSend.PT != 98 || theirs.EventSend.PT != 98 {
				t.Errorf("%s to %s: %+v %+v", dir, peer, ours, theirs)
			}
		}
	}
}

// A new offer of ours repeats the m= lines, numbers and session of before.
func TestFollowingOffer(t *testing.T) {
	archive, err := txtar.ParseFile(filepath.Join("testdata", "video.txt"))
	mediatest.Must(t, err)
	offer := strings.Replace(string(archive.Files[1].Data), "49170 RTP/AVP 0 8", "49170 RTP/AVP 0 8 96\na=rtpmap:96 telephone-event/8000", 1)
	l := testLocal()
	_, r, err := BuildAnswer(l, []byte(offer))
	mediatest.Must(t, err)
	next := l.Following(r)
	next.Direction = SendOnly
	got := string(BuildOffer(next))
	for _, want := range []string{
		"o=loopstart 7 4 IN IP4 192.0.2.10\r\n", "m=video 0 RTP/AVP 31 99\r\nm=audio 40000 RTP/AVP 8 0 96\r\n", "a=rtpmap:96 telephone-event/8000\r\n",
		"a=sendonly\r\nm=application 0 UDP/BFCP *\r\nm=image 0 udptl t38\r\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if third := next.Following(Remote{}); third.Version != 5 || third.SessionID != 7 || third.EventPT != 96 {
		t.Errorf("%+v", third)
	}
}

func TestLineEndsDoNotMatter(t *testing.T) {
	offer := string(BuildOffer(testLocal()))
	want, _, err := BuildAnswer(testLocal(), []byte(offer))
	mediatest.Must(t, err)
	for _, end := range []string{"\n", "\r", "\r\n\r\n"} {
		got, _, err := BuildAnswer(testLocal(), []byte(strings.ReplaceAll(offer, "\r\n", end)))
		if err != nil || string(got) != string(want) {
			t.Errorf("%q: %v", end, err)
		}
	}
	if got, _, err := BuildAnswer(testLocal(), []byte(strings.TrimSuffix(offer, "\r\n"))); err != nil || string(got) != string(want) {
		t.Errorf("no last line end: %v", err)
	}
}

func TestSDPLimits(t *testing.T) {
	head := "v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n"
	audio := "m=audio 5004 RTP/AVP 8\r\n"
	formats := func(n int) string { return "m=audio 5004 RTP/AVP" + strings.Repeat(" 8", n) + "\r\n" }
	pad := func(n int) string { return "a=" + strings.Repeat("x", n-len(head)-len(audio)-4) + "\r\n" }
	for _, tc := range []struct {
		name, offer string
		ok          bool
	}{
		{"most media lines", head + strings.Repeat(audio, MaxMediaLines), true},
		{"one more", head + strings.Repeat(audio, MaxMediaLines+1), false},
		{"most formats", head + formats(MaxFormats), true},
		{"one more", head + formats(MaxFormats+1), false},
		{"largest", head + audio + pad(MaxSDP), true},
		{"one byte more", head + audio + pad(MaxSDP+1), false},
	} {
		_, _, err := BuildAnswer(testLocal(), []byte(tc.offer))
		if (err == nil) != tc.ok || err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestMalformedSDP(t *testing.T) {
	for _, text := range []string{
		"", "\r\n", "hello", "v=1\r\n", "o=- 1 1 IN IP4 1.2.3.4\r\nv=0\r\n", "<xml/>", "\x00\x01\x02",
		"v=0\r\nm=\r\n", "v=0\r\nm=audio\r\n", "v=0\r\nm=audio 5004\r\n", "v=0\r\nm=audio x RTP/AVP 0\r\n", "v=0\r\nm=audio 65536 RTP/AVP 0\r\n",
		"v=0\r\nm=audio -1 RTP/AVP 0\r\n", "v=0\r\nm=audio 5004 RTP/AVP 8\x00\r\n", "v=0\r\nm=audio 5004 RTP/\xc3\xa9 8\r\n",
	} {
		_, _, err := BuildAnswer(testLocal(), []byte(text))
		if f, ok := errors.AsType[*fault.Error](err); !ok || f.Code != fault.Media || !errors.Is(err, ErrMalformed) || errors.Is(err, ErrNotAcceptable) {
			t.Errorf("offer %q: %v", text, err)
		}
		if _, err := ReadAnswer(testLocal(), []byte(text)); !errors.Is(err, ErrMalformed) {
			t.Errorf("answer %q: %v", text, err)
		}
	}
}

// What a peer writes must not put lines of its own into our description.
func TestAnswerRepeatsNothingHarmful(t *testing.T) {
	offer := "v=0\no=- 1 1 IN IP4 198.51.100.1\ns=-\nc=IN IP4 198.51.100.1\nt=0 0 a=inactive\nm=video\t9 RTP/AVP \t31  32\nm=audio 5004 RTP/AVP 8\n"
	answer, _, err := BuildAnswer(testLocal(), []byte(offer))
	mediatest.Must(t, err)
	if s := string(answer); !strings.Contains(s, "t=0 0\r\nm=video 0 RTP/AVP 31 32\r\nm=audio 40000 ") {
		t.Errorf("%q", s)
	}
}

func TestEventFormatHas(t *testing.T) {
	f := EventFormat{PT: 101, Clock: 8000, Events: parseEvents("0-9, 16")}
	for event, want := range map[int]bool{0: true, 9: true, 10: false, 15: false, 16: true, 17: false, -1: false, 32: false} {
		if f.Has(event) != want {
			t.Errorf("event %d: %v", event, !want)
		}
	}
	if (EventFormat{Events: keyEvents}).Has(1) {
		t.Error("no payload type, no event")
	}
	for text, want := range map[string]uint32{"": keyEvents, "x": keyEvents, "32-60": keyEvents, "events=0-15": keyEvents, "0-16": allEvents, "5-3": keyEvents, "0-255": allEvents, "11": 1 << 11} {
		if got := parseEvents(text); got != want {
			t.Errorf("%q: %x", text, got)
		}
	}
}

func FuzzSDP(f *testing.F) {
	files, _ := filepath.Glob(filepath.Join("testdata", "*.txt"))
	for _, file := range files {
		if archive, err := txtar.ParseFile(file); err == nil {
			f.Add(archive.Files[1].Data)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		answer, r, err := BuildAnswer(testLocal(), body)
		if err == nil {
			checkAnswer(t, body, answer, r)
			next := testLocal().Following(r)
			if _, _, err := BuildAnswer(testLocal(), BuildOffer(next)); err != nil {
				t.Fatalf("our own next offer: %v", err)
			}
		} else if _, ok := errors.AsType[*fault.Error](err); !ok {
			t.Fatalf("a plain error: %v", err)
		}
		ReadAnswer(testLocal(), body)
	})
}

func BenchmarkAnswer(b *testing.B) {
	offer := BuildOffer(testLocal())
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := BuildAnswer(testLocal(), offer); err != nil {
			b.Fatal(err)
		}
	}
}
