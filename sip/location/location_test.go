package location

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

var start = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

type bench struct {
	*Table
	clock *clock.Virtual
	cseq  uint32
}

func newBench(o Options) *bench {
	v := clock.NewVirtual(start)
	o.Clock = v
	return &bench{Table: New(o), clock: v}
}

// register is what a phone sends: each with the next CSeq of one Call-ID.
func (b *bench) register(user string, expires time.Duration, uris ...string) Register {
	b.cseq++
	r := Register{
		User: user, CallID: "call-" + user, CSeq: b.cseq, Source: netip.MustParseAddrPort("192.0.2.7:5062"),
		Transport: "udp", Expires: expires, Agent: "phone/1",
	}
	for _, uri := range uris {
		r.Contacts = append(r.Contacts, Contact{URI: uri, Q: 1000, Expires: -1})
	}
	return r
}

func (b *bench) apply(t *testing.T, r Register) []Binding {
	t.Helper()
	list, err := b.Apply(r)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func contacts(list []Binding) string {
	var out []string
	for _, b := range list {
		out = append(out, b.Contact)
	}
	return strings.Join(out, " ")
}

func code(err error) int {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Code
	}
	return 0
}

func TestRegisterRefreshExpire(t *testing.T) {
	b := newBench(Options{})
	list := b.apply(t, b.register("101", time.Minute, "sip:101@10.0.0.5:5060"))
	if len(list) != 1 || list[0].Source.String() != "192.0.2.7:5062" || !list[0].Expires.Equal(start.Add(time.Minute)) {
		t.Fatalf("%+v", list)
	}
	id := list[0].ID
	b.clock.Advance(50 * time.Second)
	moved := b.register("101", time.Minute, "sip:101@10.0.0.5:5060;ob")
	moved.Source = netip.MustParseAddrPort("192.0.2.7:9999")
	list = b.apply(t, moved)
	if len(list) != 1 || list[0].ID != id || list[0].Source.Port() != 9999 || !list[0].Created.Equal(start) {
		t.Fatalf("a refresh keeps its ID and takes the new source: %+v", list)
	}
	b.clock.Advance(59 * time.Second)
	if got := len(b.Lookup("101")); got != 1 {
		t.Fatalf("%d bindings a second before the end", got)
	}
	b.clock.Advance(time.Second)
	if got := b.Lookup("101"); len(got) != 0 || len(b.Users()) != 0 {
		t.Fatalf("alive after the end: %v", got)
	}
	b.apply(t, b.register("101", -1))
	if st := b.Stats(); st.Bindings != 0 || st.Expired != 1 || st.Added != 1 {
		t.Fatalf("%+v", st)
	}
}

func TestExpiryOfContactHeaderAndDefault(t *testing.T) {
	for _, tc := range []struct {
		name            string
		header, contact time.Duration
		want            time.Duration // -1: refused with 423
	}{
		{"contact wins", time.Minute, 2 * time.Minute, 2 * time.Minute},
		{"header", time.Minute, -1, time.Minute},
		{"default", -1, -1, DefaultExpires},
		{"cut", -1, 24 * time.Hour, DefaultMaxExpires},
		{"shortest", DefaultMinExpires, -1, DefaultMinExpires},
		{"too brief", DefaultMinExpires - time.Second, -1, -1},
		{"too brief in the contact", time.Hour, time.Second, -1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(Options{})
			r := b.register("101", tc.header, "sip:101@a")
			r.Contacts[0].Expires = tc.contact
			list, err := b.Apply(r)
			if tc.want < 0 {
				refusal, ok := errors.AsType[*Refusal](err)
				if !ok || refusal.Code != 423 || refusal.MinExpires != DefaultMinExpires || b.Stats().Refused != 1 {
					t.Fatalf("%v", err)
				}
				return
			}
			if got := list[0].Expires.Sub(start); got != tc.want {
				t.Fatalf("%v, want %v", got, tc.want)
			}
		})
	}
}

func TestOrderingRule(t *testing.T) {
	b := newBench(Options{})
	at := func(callID string, cseq uint32, uri string) error {
		r := b.register("101", time.Minute, uri)
		r.CallID, r.CSeq = callID, cseq
		_, err := b.Apply(r)
		return err
	}
	for i, step := range []struct {
		callID string
		cseq   uint32
		uri    string
		want   int
	}{
		{"a", 5, "sip:101@a", 0},
		{"a", 5, "sip:101@a", 500}, // a replay
		{"a", 4, "sip:101@a", 500}, // overtaken
		{"a", 1, "sip:101@b", 0},   // another binding has its own order
		{"a", 6, "sip:101@a", 0},
		{"b", 1, "sip:101@a", 0}, // the phone was restarted
		{"a", 1, "sip:101@a", 0}, // and once more, with the old Call-ID: legal
	} {
		if got := code(at(step.callID, step.cseq, step.uri)); got != step.want {
			t.Fatalf("step %d: %d, want %d", i, got, step.want)
		}
	}
	r := b.register("101", 0)
	r.Star, r.CallID, r.CSeq = true, "a", 1
	if _, err := b.Apply(r); code(err) != 500 || len(b.Lookup("101")) != 2 {
		t.Fatalf("an old * request removes: %v", err)
	}
}

func TestRemoval(t *testing.T) {
	b := newBench(Options{})
	b.apply(t, b.register("101", time.Minute, "sip:101@a", "sip:101@b"))
	if list := b.apply(t, b.register("101", 0, "sip:101@a")); contacts(list) != "sip:101@b" {
		t.Fatal(contacts(list))
	}
	if list := b.apply(t, b.register("101", -1)); contacts(list) != "sip:101@b" {
		t.Fatalf("a query changes something: %s", contacts(list))
	}
	star := b.register("101", 0)
	star.Star = true
	if list := b.apply(t, star); len(list) != 0 {
		t.Fatal(contacts(list))
	}
	if st := b.Stats(); st.Bindings != 0 || st.Added != 2 || st.Removed != 2 {
		t.Fatalf("%+v", st)
	}
	b.apply(t, b.register("101", 0, "sip:101@never"))
}

func TestBadRequests(t *testing.T) {
	b := newBench(Options{})
	star := b.register("101", time.Minute)
	star.Star = true
	both := b.register("101", 0, "sip:101@a")
	both.Star = true
	many := b.register("101", time.Minute)
	for i := range MaxContacts + 1 {
		many.Contacts = append(many.Contacts, Contact{URI: fmt.Sprintf("sip:101@h%d", i), Expires: -1})
	}
	path := b.register("101", time.Minute, "sip:101@a")
	path.Path = make([]string, MaxPath+1)
	for i, r := range []Register{star, both, many, path} {
		if _, err := b.Apply(r); code(err) != 400 {
			t.Errorf("%d: %v", i, err)
		}
	}
	if len(b.Users()) != 0 {
		t.Fatal("a refused request left something")
	}
}

func TestIdentity(t *testing.T) {
	b := newBench(Options{})
	phone := func(uri, instance, reg string) []Binding {
		r := b.register("101", time.Minute, uri)
		r.Contacts[0].Instance, r.Contacts[0].RegID = instance, reg
		return b.apply(t, r)
	}
	phone("sip:101@10.0.0.1:1111;transport=tcp", "<urn:uuid:1>", "1")
	if list := phone("sip:101@10.0.0.1:2222;transport=tcp", "<urn:uuid:1>", "1"); len(list) != 1 {
		t.Fatalf("the same phone after a reconnect: %s", contacts(list))
	}
	if list := phone("sip:101@10.0.0.2", "<urn:uuid:1>", "2"); len(list) != 2 {
		t.Fatalf("its second flow: %s", contacts(list))
	}
	if list := phone("sip:101@10.0.0.3", "<urn:uuid:2>", "1"); len(list) != 3 {
		t.Fatalf("another phone: %s", contacts(list))
	}
	if list := phone("SIP:101@10.0.0.3;line=9", "", ""); len(list) != 3 {
		t.Fatalf("the same URI without instance: %s", contacts(list))
	}
}

func TestCanonical(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		same bool
	}{
		{"sip:u@Host.Example", "SIP:u@host.example", true},
		{"sip:u@h;rinstance=1", "sip:u@h;rinstance=2", true},
		{"sip:u@h?x=1", "sip:u@h", true},
		{"sip:u@h;Transport=TCP", "sip:u@h;transport=tcp;ob", true},
		{"sip:u@h;transport=tcp", "sip:u@h", false},
		{"sip:u@h:5060", "sip:u@h", false},
		{"sip:U@h", "sip:u@h", false},
		{"sip:h", "sip:u@h", false},
		{"sips:u@h", "sip:u@h", false},
	} {
		if got := canonical(tc.a) == canonical(tc.b); got != tc.same {
			t.Errorf("%s and %s: same %v, want %v", tc.a, tc.b, got, tc.same)
		}
	}
}

func TestLookupOrder(t *testing.T) {
	b := newBench(Options{})
	for i, q := range []int{500, 1000, 1000, 2000, -1} {
		r := b.register("101", time.Minute, fmt.Sprintf("sip:%d@h", i))
		r.Contacts[0].Q = q
		b.apply(t, r)
		b.clock.Advance(time.Second)
	}
	if got, want := contacts(b.Lookup("101")), "sip:3@h sip:2@h sip:1@h sip:0@h sip:4@h"; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
}

func TestLimitPerUserDropsTheOldest(t *testing.T) {
	b := newBench(Options{PerUser: 3})
	for i := range 5 {
		b.apply(t, b.register("101", time.Minute, fmt.Sprintf("sip:%d@h", i)))
		b.clock.Advance(time.Second)
	}
	if got, want := contacts(b.Lookup("101")), "sip:4@h sip:3@h sip:2@h"; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	if st := b.Stats(); st.Bindings != 3 || st.Pushed != 2 {
		t.Fatalf("%+v", st)
	}
}

// TestMaxBindingsPerUser is the limit where nothing else is said.
func TestMaxBindingsPerUser(t *testing.T) {
	b := newBench(Options{})
	for i := range MaxBindingsPerUser + 1 {
		b.apply(t, b.register("101", time.Minute, fmt.Sprintf("sip:%d@h", i)))
		b.clock.Advance(time.Second)
	}
	if st := b.Stats(); st.Bindings != MaxBindingsPerUser || st.Pushed != 1 {
		t.Fatalf("%+v", st)
	}
}

func TestTotalLimit(t *testing.T) {
	b := newBench(Options{Total: 2})
	b.apply(t, b.register("101", time.Minute, "sip:101@h"))
	b.apply(t, b.register("102", 2*time.Minute, "sip:102@h"))
	if _, err := b.Apply(b.register("103", time.Minute, "sip:103@h")); code(err) != 503 {
		t.Fatalf("%v", err)
	}
	b.apply(t, b.register("102", 2*time.Minute, "sip:102@h")) // a refresh needs no room
	b.clock.Advance(time.Minute)
	b.apply(t, b.register("103", time.Minute, "sip:103@h"))
	if st := b.Stats(); st.Bindings != 2 || st.Expired != 1 || st.Refused != 1 {
		t.Fatalf("%+v", st)
	}
}

func TestKeep(t *testing.T) {
	b := newBench(Options{})
	b.apply(t, b.register("101", time.Minute, "sip:101@h"))
	b.apply(t, b.register("102", time.Minute, "sip:102@h"))
	b.Keep(func(user string) bool { return user == "102" })
	if got := b.Users(); len(got) != 1 || got[0] != "102" || b.Stats().Bindings != 1 {
		t.Fatalf("%v", got)
	}
}

func TestReturnedBindingsAreCopies(t *testing.T) {
	b := newBench(Options{})
	b.apply(t, b.register("101", time.Minute, "sip:101@h"))[0].Contact = "sip:evil@h"
	b.Lookup("101")[0].Contact = "sip:evil@h"
	if got := contacts(b.Lookup("101")); got != "sip:101@h" {
		t.Fatal(got)
	}
}

func TestConcurrentUse(t *testing.T) {
	b := newBench(Options{PerUser: 2, Total: 40})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			user := fmt.Sprint(i % 4)
			for n := range 100 {
				_, _ = b.Apply(Register{User: user, CallID: fmt.Sprint(i), CSeq: uint32(n + 1), Expires: time.Minute,
					Contacts: []Contact{{URI: fmt.Sprintf("sip:%d@h%d", i, n%3), Expires: -1}}})
				b.Lookup(user)
			}
		})
	}
	wg.Wait()
	total := 0
	for _, u := range b.Users() {
		total += len(b.Lookup(u))
	}
	if st := b.Stats(); st.Bindings != total || total > 8 {
		t.Fatalf("%+v, counted %d", st, total)
	}
}

func FuzzCanonical(f *testing.F) {
	f.Add("sip:u@h:5060;transport=tcp;x=1?y")
	f.Add("tel:+7495")
	f.Fuzz(func(t *testing.T, uri string) {
		b := newBench(Options{})
		r := b.register("u", time.Minute, uri, uri)
		if list, err := b.Apply(r); err != nil || len(list) != 1 {
			t.Fatalf("one URI twice makes %d bindings, %v", len(list), err)
		}
	})
}

// TestSaved brings bindings over a restart: what has expired stays behind, and
// so does what came over a connection; a refresh is still the same binding.
func TestSaved(t *testing.T) {
	disk := map[string][]Binding{}
	changed := func(user string, list []Binding) {
		if len(list) == 0 {
			delete(disk, user)
			return
		}
		disk[user] = append([]Binding(nil), list...)
	}
	b := newBench(Options{Changed: changed})
	id := b.apply(t, b.register("101", 5*time.Minute, "sip:101@10.0.0.5"))[0].ID
	b.apply(t, b.register("102", time.Minute, "sip:102@10.0.0.6"))
	tcp := b.register("103", 5*time.Minute, "sip:103@10.0.0.7")
	tcp.Transport = "tcp"
	b.apply(t, tcp)
	b.apply(t, b.register("104", 5*time.Minute, "sip:104@10.0.0.8"))
	b.apply(t, b.register("104", 0, "sip:104@10.0.0.8"))
	if len(disk) != 3 {
		t.Fatalf("%v on disk", disk)
	}
	var saved []Binding
	for _, list := range disk {
		saved = append(saved, list...)
	}
	saved = append(saved, Binding{User: "105", ID: "zz", Transport: "udp", Source: saved[0].Source, Expires: start.Add(48 * time.Hour)}) // of a clock that was wrong
	later := clock.NewVirtual(start.Add(2 * time.Minute))
	again := New(Options{Clock: later, Saved: saved, Changed: changed})
	if users := again.Users(); fmt.Sprint(users) != "[101]" || again.Stats().Bindings != 1 {
		t.Fatalf("%v %+v", users, again.Stats())
	}
	old := b.register("101", time.Minute, "sip:101@10.0.0.5")
	old.CSeq = 1
	if _, err := again.Apply(old); code(err) != 500 {
		t.Fatalf("an old REGISTER that is sent again: %v", err)
	}
	b.cseq = 100
	list, err := again.Apply(b.register("101", time.Minute, "sip:101@10.0.0.5"))
	if err != nil || len(list) != 1 || list[0].ID != id {
		t.Fatalf("%v %+v", err, list)
	}
	if fresh, _ := again.Apply(b.register("106", time.Minute, "sip:106@10.0.0.9")); len(fresh) != 1 || fresh[0].ID == "zz" || fresh[0].ID == id {
		t.Fatalf("%+v", fresh)
	}
	again.Keep(func(user string) bool { return user != "101" })
	if _, on := disk["101"]; on {
		t.Fatal("who is no user any more stays on disk")
	}
}

func TestLimitPerSource(t *testing.T) {
	b := newBench(Options{PerSource: 2})
	b.apply(t, b.register("101", time.Minute, "sip:101@h"))
	b.apply(t, b.register("102", time.Minute, "sip:102@h"))
	third := b.register("103", time.Minute, "sip:103@h")
	if _, err := b.Apply(third); code(err) != 503 || b.At(third.Source.Addr()) != 2 {
		t.Fatalf("%v", err)
	}
	third.Peer = true // a proxy with many users behind it
	b.apply(t, third)
	if n := b.At(third.Source.Addr()); n != 3 {
		t.Fatalf("%d at the proxy", n)
	}
	b.clock.Advance(2 * time.Minute)
	fourth := b.register("104", time.Minute, "sip:104@h")
	if _, err := b.Apply(fourth); code(err) != 503 {
		b.apply(t, fourth)
	}
}

// The limits as they are when nobody sets them.
func TestMaxBindings(t *testing.T) {
	b := newBench(Options{})
	for i := range MaxBindingsPerSource {
		b.apply(t, b.register(fmt.Sprint("u", i), time.Minute, "sip:a@h"))
	}
	more := b.register("one", time.Minute, "sip:a@h")
	if _, err := b.Apply(more); code(err) != 503 || b.Stats().Refused != 1 {
		t.Fatalf("beyond MaxBindingsPerSource: %v", err)
	}
	more.Peer = true
	for i := MaxBindingsPerSource; i < MaxBindings; i++ {
		more.User = fmt.Sprint("u", i)
		b.apply(t, more)
	}
	more.User = "one"
	if _, err := b.Apply(more); code(err) != 503 || b.Stats().Bindings != MaxBindings || b.Stats().Refused != 2 {
		t.Fatalf("beyond MaxBindings: %v, %+v", err, b.Stats())
	}
}
