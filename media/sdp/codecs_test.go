package sdp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/mediatest"
)

// Offers of phones, exchanges and trunks as they are seen, and what is agreed
// on: codec, payload type, payload type of keys and their clock, packet time.
var codecOffers = []struct {
	who    string
	media  string // m= formats
	lines  string // attributes, separated by |
	codecs string // ours; "" = all in the usual order
	want   string
}{
	{"Zoiper 5", "9 0 8 101", "rtpmap:9 G722/8000|rtpmap:101 telephone-event/8000|fmtp:101 0-15", "", "G722 9, keys 101/8000, 20 ms"},
	{"Zoiper with opus", "111 9 0 8 101", "rtpmap:111 opus/48000/2|fmtp:111 maxplaybackrate=16000; sprop-maxcapturerate=16000; minptime=20; useinbandfec=1|rtpmap:101 telephone-event/8000", "", "opus 111, keys 101/8000, 20 ms"},
	{"Linphone", "96 97 98 0 8 18 101 99 100", "rtpmap:96 opus/48000/2|fmtp:96 useinbandfec=1|rtpmap:97 speex/16000|rtpmap:98 speex/8000|fmtp:18 annexb=yes|rtpmap:101 telephone-event/48000|rtpmap:99 telephone-event/16000|rtpmap:100 telephone-event/8000", "", "opus 96, keys 101/48000, 20 ms"},
	{"MicroSIP", "8 0 101", "rtpmap:8 PCMA/8000|rtpmap:0 PCMU/8000|rtpmap:101 telephone-event/8000|fmtp:101 0-16", "", "PCMA 8, keys 101/8000, 20 ms"},
	{"MicroSIP with opus", "96 9 8 0 101", "rtpmap:96 opus/48000/2|fmtp:96 maxplaybackrate=24000;sprop-maxcapturerate=24000;maxaveragebitrate=64000;useinbandfec=1|rtpmap:101 telephone-event/8000", "", "opus 96, keys 101/8000, 20 ms"},
	{"baresip", "96 97 9 0 8 101", "rtpmap:96 opus/48000/2|fmtp:96 stereo=1;sprop-stereo=1|rtpmap:97 L16/16000|rtpmap:101 telephone-event/8000|fmtp:101 0-15|ptime:20", "", "opus 96, keys 101/8000, 20 ms"},
	{"Asterisk", "8 0 101", "rtpmap:8 PCMA/8000|rtpmap:101 telephone-event/8000|ptime:20|maxptime:150", "", "PCMA 8, keys 101/8000, 20 ms"},
	{"Asterisk, all codecs", "107 9 0 8 3 111 97 110 101 100", "rtpmap:107 opus/48000/2|rtpmap:111 G726-32/8000|rtpmap:97 iLBC/8000|rtpmap:110 speex/8000|rtpmap:101 telephone-event/8000|rtpmap:100 telephone-event/48000|maxptime:60", "", "opus 107, keys 100/48000, 20 ms"},
	{"FreeSWITCH", "102 9 0 8 103 101", "rtpmap:102 opus/48000/2|fmtp:102 useinbandfec=1; maxaveragebitrate=30000; maxplaybackrate=48000; ptime=20; minptime=10; maxptime=40|rtpmap:103 telephone-event/48000|rtpmap:101 telephone-event/8000|ptime:20", "", "opus 102, keys 103/48000, 20 ms"},
	{"FreeSWITCH, 30 ms", "0 8 101", "rtpmap:101 telephone-event/8000|ptime:30", "", "PCMU 0, keys 101/8000, 30 ms"},
	{"Kamailio with rtpengine", "8 9 101", "rtpmap:8 PCMA/8000|rtpmap:9 G722/8000|rtpmap:101 telephone-event/8000|rtcp:30001|ptime:20", "", "PCMA 8, keys 101/8000, 20 ms"},
	{"a mobile network, AMR-WB first", "104 102 9 8 0 105 100", "rtpmap:104 AMR-WB/16000/1|fmtp:104 mode-change-capability=2;max-red=0|rtpmap:102 AMR/8000/1|rtpmap:105 telephone-event/16000|rtpmap:100 telephone-event/8000|ptime:20|maxptime:240", "", "G722 9, keys 100/8000, 20 ms"},
	{"a mobile network, narrow", "97 98 8 101", "rtpmap:97 AMR/8000|rtpmap:98 AMR/8000|fmtp:98 octet-align=1|rtpmap:101 telephone-event/8000|maxptime:40", "", "PCMA 8, keys 101/8000, 20 ms"},
	{"a trunk, G729 first", "18 8 0 101", "rtpmap:18 G729/8000|fmtp:18 annexb=no|rtpmap:101 telephone-event/8000", "", "PCMA 8, keys 101/8000, 20 ms"},
	{"a trunk, G729 alone", "18 101", "rtpmap:18 G729/8000|rtpmap:101 telephone-event/8000", "", "no"},
	{"AMR alone", "104 102", "rtpmap:104 AMR-WB/16000|rtpmap:102 AMR/8000", "", "no"},
	{"Cisco", "9 0 8 18 101", "rtpmap:9 G722/8000|rtpmap:101 telephone-event/8000|fmtp:101 0-15|ptime:20", "", "G722 9, keys 101/8000, 20 ms"},
	{"Yealink", "9 0 8 18 101", "rtpmap:101 telephone-event/8000|ptime:20", "PCMA", "PCMA 8, keys 101/8000, 20 ms"},
	{"Grandstream, 2 frames", "0 8 4 18 9 97 101", "rtpmap:97 iLBC/8000|fmtp:97 mode=20|rtpmap:101 telephone-event/8000|ptime:40", "", "PCMU 0, keys 101/8000, 40 ms"},
	{"Fanvil", "8 9 18 101", "rtpmap:101 telephone-event/8000|ptime:60", "", "PCMA 8, keys 101/8000, 60 ms"},
	{"static numbers alone", "9", "", "", "G722 9, keys 0/0, 20 ms"},
	{"G722 with its true rate", "9 8", "rtpmap:9 G722/16000", "", "PCMA 8, keys 0/0, 20 ms"},
	{"opus in small letters", "120", "rtpmap:120 OPUS/48000/2", "", "opus 120, keys 0/0, 20 ms"},
	{"opus of one channel", "120", "rtpmap:120 opus/48000", "", "opus 120, keys 0/0, 20 ms"},
	{"opus of 16 kHz", "120 8", "rtpmap:120 opus/16000/2", "", "PCMA 8, keys 0/0, 20 ms"},
	{"opus in 10 ms", "120", "rtpmap:120 opus/48000/2|ptime:10", "", "opus 120, keys 0/0, 20 ms"},
	{"opus in 60 ms", "120 101", "rtpmap:120 opus/48000/2|rtpmap:101 telephone-event/48000|ptime:60", "", "opus 120, keys 101/48000, 60 ms"},
	{"opus where none is allowed", "120 0", "rtpmap:120 opus/48000/2", "PCMA,PCMU", "PCMU 0, keys 0/0, 20 ms"},
	{"wideband alone where none is allowed", "120 9", "rtpmap:120 opus/48000/2", "PCMA,PCMU", "no"},
	{"10 ms", "8", "ptime:10", "", "PCMA 8, keys 0/0, 10 ms"},
	{"at most 10 ms", "8", "maxptime:10", "", "PCMA 8, keys 0/0, 10 ms"},
	{"40 wished, 30 allowed", "9", "ptime:40|maxptime:30", "", "G722 9, keys 0/0, 30 ms"},
	{"PCMA under a dynamic number", "98 99", "rtpmap:98 PCMA/8000|rtpmap:99 telephone-event/8000", "", "PCMA 98, keys 99/8000, 20 ms"},
	{"stereo PCMU", "97 8", "rtpmap:97 PCMU/8000/2", "", "PCMA 8, keys 0/0, 20 ms"},
	{"keys first", "101 8", "rtpmap:101 telephone-event/8000", "", "PCMA 8, keys 101/8000, 20 ms"},
	{"comfort noise", "8 13 101", "rtpmap:13 CN/8000|rtpmap:101 telephone-event/8000", "", "PCMA 8, keys 101/8000, 20 ms"},
}

func codecsOf(names string) (list []*codec.Codec) {
	if names == "" {
		return codec.All()
	}
	for name := range strings.SplitSeq(names, ",") {
		c, _ := codec.ByName(name)
		list = append(list, c)
	}
	return list
}

func TestCodecOffers(t *testing.T) {
	for _, tc := range codecOffers {
		offer := "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP " + tc.media + "\r\n"
		if tc.lines != "" {
			offer += "a=" + strings.ReplaceAll(tc.lines, "|", "\r\na=") + "\r\n"
		}
		l := testLocal()
		l.Codecs = codecsOf(tc.codecs)
		answer, r, err := BuildAnswer(l, []byte(offer))
		got := "no"
		if err == nil {
			got = fmt.Sprintf("%s %d, keys %d/%d, %d ms", r.Codec.Name, r.SendPT, r.EventSend.PT, r.EventSend.Clock, r.PtimeMs)
		}
		if got != tc.want {
			t.Errorf("%s: %s, want %s", tc.who, got, tc.want)
		}
		if err != nil {
			continue
		}
		checkAnswer(t, []byte(offer), answer, r)
		if n := strings.Count(string(answer), "a=rtpmap:"); n > 2 || strings.Count(string(answer), "telephone-event") > 1 {
			t.Errorf("%s: more than a codec and its keys is answered:\n%s", tc.who, answer)
		}
		if !strings.Contains(string(answer), fmt.Sprintf("a=ptime:%d\r\n", r.PtimeMs)) {
			t.Errorf("%s: the packet time is not answered:\n%s", tc.who, answer)
		}
	}
	if len(codecOffers) < 30 {
		t.Error("offers are missing")
	}
}

// Our offer names everything with its parameters, and the payload types stay
// what they are in the next one.
func TestOfferOfAllCodecs(t *testing.T) {
	l := testLocal()
	l.Codecs = codec.All()
	offer := string(BuildOffer(l))
	for _, want := range []string{
		"RTP/AVP 8 0 9 107 101 102\r\n", "a=rtpmap:9 G722/8000\r\n", "a=rtpmap:107 opus/48000/2\r\n", "a=fmtp:107 useinbandfec=1;maxplaybackrate=16000;",
		"a=rtpmap:101 telephone-event/8000\r\n", "a=rtpmap:102 telephone-event/48000\r\n",
	} {
		if !strings.Contains(offer, want) {
			t.Errorf("%q is missing in\n%s", want, offer)
		}
	}
	// A peer that used 107 for its keys, and a number of its own for Opus.
	theirs := "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP %s\r\n%s"
	_, r, err := BuildAnswer(l, fmt.Appendf(nil, theirs, "8 107", "a=rtpmap:107 telephone-event/8000\r\n"))
	mediatest.Must(t, err)
	if next := string(BuildOffer(l.Following(r))); !strings.Contains(next, "telephone-event/8000") || strings.Contains(next, "a=rtpmap:107 opus") || !strings.Contains(next, " opus/48000/2\r\n") {
		t.Errorf("107 has two meanings:\n%s", next)
	}
	_, r, err = BuildAnswer(l, fmt.Appendf(nil, theirs, "120 8 101", "a=rtpmap:120 opus/48000/2\r\na=rtpmap:101 telephone-event/48000\r\n"))
	mediatest.Must(t, err)
	if next := string(BuildOffer(l.Following(r))); !strings.Contains(next, "a=rtpmap:120 opus/48000/2\r\n") {
		t.Errorf("another number for Opus:\n%s", next)
	}
}

// Both sides of our own description agree on each codec.
func TestCodecsAgree(t *testing.T) {
	for _, c := range codec.All() {
		us, them := testLocal(), testLocal()
		us.Codecs, them.Codecs = codec.All(), []*codec.Codec{c}
		answer, theirs, err := BuildAnswer(them, BuildOffer(us))
		mediatest.Must(t, err)
		ours, err := ReadAnswer(us, answer)
		mediatest.Must(t, err)
		if ours.Codec != c || theirs.Codec != c || ours.EventSend.Clock != c.Clock || theirs.EventSend != (EventFormat{PT: ours.EventSend.PT, Clock: c.Clock, Events: allEvents}) {
			t.Errorf("%s: %+v %+v", c, ours, theirs)
		}
	}
}
