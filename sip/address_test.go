package sip

import (
	"strings"
	"testing"

	"github.com/loopstart/loopstart/internal/fault"
)

func TestParseAddress(t *testing.T) {
	for in, want := range map[string]Address{
		"sip:101@example.com":                           {User: "101", Host: "example.com"},
		"101@example.com:5070":                          {User: "101", Host: "example.com", Port: 5070},
		"sip:example.com;transport=tcp;lr":              {Host: "example.com", Params: "transport=tcp;lr"},
		`"Anna \"A\" B" <sip:101@[::1]:5060;x=y>;tag=1`: {Display: `Anna "A" B`, User: "101", Host: "::1", Port: 5060, Params: "x=y"},
		"Anna Lee <sip:a%20b@h>":                        {Display: "Anna Lee", User: "a%20b", Host: "h"},
		"tel:+79161234567;phone-context=x":              {User: "+79161234567", Params: "phone-context=x", Scheme: "tel"},
		"<sips:a@h>":                                    {User: "a", Host: "h", Scheme: "sips"},
		"sip:user;par=u%40example.net@example.com":      {User: "user;par=u%40example.net", Host: "example.com"},
		"sip:a@h?Subject=x":                             {User: "a", Host: "h"},
		"Анна <SIP:a@h>":                                {Display: "Анна", User: "a", Host: "h"},
	} {
		got, err := ParseAddress(in)
		if err != nil || got != want {
			t.Errorf("%s: %+v %v, want %+v", in, got, err, want)
			continue
		}
		if again, err := ParseAddress(got.String()); err != nil || again != got {
			t.Errorf("%s prints as %s, which reads as %+v %v", in, got, again, err)
		}
	}
	for _, in := range []string{
		"", " ", "x", "http://example.com", "sip:", "sip:@h", "sip:a@", "sip:a@h:0", "sip:a@h:99999", "sip:a@h:x",
		`"Anna <sip:a@h>`, "<sip:a@h", "sip:a@[::1", "sip:a@[1.2.3.4]", "sip:a b@h", "sip:a@h h", "sip:a@h\r\nX: y",
		"tel:", "sip:a@h;x=\"", "sip:" + strings.Repeat("a", MaxAddress),
	} {
		if got, err := ParseAddress(in); err == nil {
			t.Errorf("%q is %+v", clip(in, 40), got)
		}
	}
	if v, ok := (Address{Params: `a=1;Transport="t;cp";lr`}).Param("transport"); !ok || v != "t;cp" {
		t.Errorf("param %q", v)
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{`"A" <sip:a@b:5060;x=y>;tag=1`, "tel:+7;x", "a@b", `"\`, "<>", "sip:[::1]", "\xc2@\x8f\u0085;", "a@\u0085", ":a@" + strings.Repeat("b", MaxAddress-5)} {
		f.Add(s)
	}
	for _, m := range append(rfc4475(), rfc5118()...) {
		for line := range strings.SplitSeq(m.text, "\r\n") {
			if name, value, ok := strings.Cut(line, ":"); ok && len(value) < MaxAddress && strings.ContainsAny(value, "<@") {
				f.Add(strings.TrimSpace(value))
				f.Add(strings.TrimSpace(name + ":" + value)) // a Request-URI has its scheme there
			}
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			return
		}
		if strings.ContainsAny(a.String(), "\r\n\x00") {
			t.Fatalf("%q prints a line end", s)
		}
		again, err := ParseAddress(a.String())
		if err != nil || again != a {
			t.Fatalf("%q: %+v prints as %s, which reads as %+v %v", s, a, a, again, err)
		}
	})
}

func TestHeaders(t *testing.T) {
	h := Headers{{"v", "one"}, {"Via", "two"}, {"Supported", "timer, 100rel"}, {"X-A", ""}}
	if h.Get("via") != "one" || len(h.All("VIA")) != 2 || h.Get("k") != "timer, 100rel" || h.Get("nothing") != "" {
		t.Fatalf("%v", h)
	}
	if h.Get("x-b") != "" || h.Get("suppor") != "" || h.Get("SUPPORTED") == "" || (Headers{{"SUPPORTED", "a"}}).Get("Supported") != "a" {
		t.Fatal("names")
	}
	if !h.Has("supported", "100REL") || h.Has("supported", "100") {
		t.Fatal("Has")
	}
	if h.String() == "" {
		t.Fatal("String")
	}
	many := make([]Header, MaxHeaders)
	for i := range many {
		many[i] = Header{"X", "y"}
	}
	for name, hs := range map[string][]Header{
		"CR": {{"X", "a\rb"}}, "NUL": {{"X", "a\x00"}}, "name": {{"X Y", "a"}}, "colon": {{"X:", "a"}}, "no name": {{"", "a"}},
		"long": {{"X", strings.Repeat("a", MaxHeaderLine)}}, "ours": {{"cseq", "1"}}, "compact": {{"i", "1"}}, "many": many,
	} {
		if CheckHeaders(hs) == nil {
			t.Errorf("%s passes", name)
		}
	}
	if err := CheckHeaders([]Header{{"Diversion", "<sip:a@b>"}}); err != nil {
		t.Error(err)
	}
}

// What a caller of this package gives and what would forge a header is refused
// in every place where it could stand in one.
func TestNoForgedHeaders(t *testing.T) {
	r := newRig(t, nil)
	_, _, d := r.established()
	for _, evil := range []string{"\r\nX-Evil: 1", "\n", "\r", "\x00", "\x01", "\x1b", "\x7f"} {
		for name, err := range map[string]error{
			"name": func() error {
				_, err := r.Dial(Outgoing{Target: Target{URI: "sip:a@127.0.0.1:9"}, From: Address{Display: "x" + evil}})
				return err
			}(),
			"caller": func() error {
				_, err := r.Dial(Outgoing{Target: Target{URI: "sip:a@127.0.0.1:9"}, From: Address{User: "x" + evil}})
				return err
			}(),
			"host": func() error {
				_, err := r.Dial(Outgoing{Target: Target{URI: "sip:a@127.0.0.1:9"}, From: Address{Host: "x" + evil}})
				return err
			}(),
			"URI": func() error {
				_, err := r.Dial(Outgoing{Target: Target{URI: "sip:a" + evil + "@127.0.0.1:9"}})
				return err
			}(),
			"header":    CheckHeaders([]Header{{"X-A", "b" + evil}}),
			"header's":  CheckHeaders([]Header{{"X-A" + evil, "b"}}),
			"reason":    d.Reject(486, "Busy"+evil),
			"info type": d.Info("text/plain"+evil, nil),
			"refer":     d.Refer("sip:a" + evil + "@b"),
		} {
			if fault.CodeOf(err) != fault.Invalid {
				t.Errorf("%s %q: %v", name, evil, err)
			}
		}
	}
}
