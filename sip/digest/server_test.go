package digest

import (
	"fmt"

	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

var start = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// counting is randomness that never repeats and is the same in every run.
type counting struct{ n byte }

func (c *counting) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = c.n
	}
	c.n++
	return len(p), nil
}

type bench struct {
	*Server
	clock *clock.Virtual
}

func newBench(nonces int) bench {
	v := clock.NewVirtual(start)
	return bench{clock: v, Server: NewServer(ServerOptions{
		Realm: "pbx", Secret: []byte("0123456789abcdef"), Nonces: nonces, Clock: v, Random: &counting{},
	})}
}

func passwords(user string) (string, bool) {
	p, ok := map[string]string{"101": "secret", "102": "other"}[user]
	return p, ok
}

// credentials answers the i-th challenge the way a phone does.
func (b bench) credentials(t *testing.T, i int, edit func(*Credentials)) Credentials {
	t.Helper()
	ch, err := ParseChallenge(b.Challenges(false)[i])
	if err != nil {
		t.Fatal(err)
	}
	c := Credentials{
		Username: "101", Realm: ch.Realm, Nonce: ch.Nonce, URI: "sip:200@pbx", Algorithm: ch.Algorithm,
		CNonce: "cn", Opaque: ch.Opaque, QOP: "auth", NC: 1,
	}
	if edit != nil {
		edit(&c)
	}
	return c
}

var invite = Request{Method: "INVITE", URI: "sip:200@pbx"}

func (b bench) verify(c Credentials, password string) Verdict {
	c.Response = c.response(password, invite)
	_, v := b.Verify(invite, []string{c.String()}, passwords)
	return v
}

func TestChallengesOfferSHA256ThenMD5(t *testing.T) {
	b := newBench(0)
	values := b.Challenges(true)
	if len(values) != 2 {
		t.Fatalf("%d challenges", len(values))
	}
	for i, want := range []Algorithm{SHA256, MD5} {
		ch, err := ParseChallenge(values[i])
		if err != nil || ch.Algorithm != want || ch.Realm != "pbx" || !ch.Stale || ch.Opaque == "" || len(ch.QOP) != 1 || ch.QOP[0] != "auth" {
			t.Fatalf("%d: %+v %v", i, ch, err)
		}
	}
	a, _ := ParseChallenge(b.Challenges(false)[0])
	c, _ := ParseChallenge(b.Challenges(false)[0])
	if a.Nonce == c.Nonce || a.Stale {
		t.Fatal("each challenge has its own nonce and is not stale")
	}
}

func TestVerify(t *testing.T) {
	for _, tc := range []struct {
		name     string
		i        int
		password string
		edit     func(*Credentials)
		want     Verdict
	}{
		{"sha-256", 0, "secret", nil, Passed},
		{"md5", 1, "secret", nil, Passed},
		{"sha-512-256", 0, "secret", func(c *Credentials) { c.Algorithm = SHA512256 }, Passed},
		{"rfc 2069 form", 1, "secret", func(c *Credentials) { c.QOP, c.NC = "", 0 }, Passed},
		{"host rewritten by a proxy", 0, "secret", func(c *Credentials) { c.URI = "sip:200@192.0.2.1;transport=udp" }, Passed},
		{"no user, as SIPp writes it", 1, "secret", func(c *Credentials) { c.URI = "sip:192.0.2.1:5060" }, Passed},
		{"a telephone number for a user", 0, "secret", func(c *Credentials) { c.URI = "tel:8101234" }, Denied},
		{"wrong password", 0, "guess", nil, Denied},
		{"unknown user", 0, "secret", func(c *Credentials) { c.Username = "999" }, Denied},
		{"another user's password", 0, "other", nil, Denied},
		{"another number dialled", 0, "secret", func(c *Credentials) { c.URI = "sip:8101234@pbx" }, Denied},
		{"auth-int was not offered", 0, "secret", func(c *Credentials) { c.QOP = "auth-int" }, Denied},
		{"session algorithm was not offered", 0, "secret", func(c *Credentials) { c.Algorithm = SHA256Sess }, Denied},
		{"unknown algorithm", 0, "secret", func(c *Credentials) { c.Algorithm = "CRC" }, Denied},
		{"another realm", 0, "secret", func(c *Credentials) { c.Realm = "else" }, Missing},
		{"nonce made up", 0, "secret", func(c *Credentials) { c.Nonce = "abc" }, Stale},
		{"nonce with another time", 0, "secret", func(c *Credentials) { c.Nonce = "A" + c.Nonce[1:] + "A" }, Stale},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(0)
			if got := b.verify(b.credentials(t, tc.i, tc.edit), tc.password); got != tc.want {
				t.Fatalf("%v, want %v", got, tc.want)
			}
		})
	}
}

func TestUnknownUserWithThePlaceholderPasswordIsDenied(t *testing.T) {
	b := newBench(0)
	c := b.credentials(t, 0, func(c *Credentials) { c.Username = "999" })
	if got := b.verify(c, b.opaque); got != Denied {
		t.Fatalf("%v: the placeholder opens the door", got)
	}
}

func TestVerifyNamesTheUserOnlyWhenPassed(t *testing.T) {
	b := newBench(0)
	c := b.credentials(t, 0, nil)
	c.Response = c.response("secret", invite)
	basic := "Basic dXNlcjpwYXNz"
	if user, v := b.Verify(invite, []string{basic, c.String()}, passwords); user != "101" || v != Passed {
		t.Fatalf("%q %v", user, v)
	}
	if user, v := b.Verify(invite, []string{c.String()}, passwords); user != "" || v != Stale {
		t.Fatalf("replayed: %q %v", user, v)
	}
	if _, v := b.Verify(invite, []string{basic}, passwords); v != Missing {
		t.Fatalf("another scheme: %v", v)
	}
	if _, v := b.Verify(invite, []string{`Digest realm="pbx", username="101`}, passwords); v != Denied {
		t.Fatalf("malformed: %v", v)
	}
	if st := b.Stats(); st.Passed != 1 || st.Stale != 1 || st.Missing != 1 || st.Denied != 1 {
		t.Fatalf("%+v", st)
	}
}

func TestCountMustRise(t *testing.T) {
	b := newBench(0)
	c := b.credentials(t, 0, nil)
	for _, step := range []struct {
		nc   uint32
		want Verdict
	}{{1, Passed}, {1, Stale}, {5, Passed}, {3, Stale}, {6, Passed}} {
		c.NC = step.nc
		if got := b.verify(c, "secret"); got != step.want {
			t.Fatalf("nc %d: %v, want %v", step.nc, got, step.want)
		}
	}
	c.NC = 7
	if b.verify(c, "guess") != Denied || b.verify(c, "secret") != Passed {
		t.Fatal("a guess uses up the nc of the owner")
	}
	c.QOP, c.NC = "", 0
	if got := b.verify(c, "secret"); got != Stale {
		t.Fatalf("the form without nc on a used nonce: %v", got)
	}
}

func TestNonceLifetime(t *testing.T) {
	b := newBench(0)
	c := b.credentials(t, 0, nil)
	b.clock.Advance(MaxLifetime)
	if got := b.verify(c, "secret"); got != Passed {
		t.Fatalf("at its last moment: %v", got)
	}
	b.clock.Advance(time.Millisecond)
	c.NC = 2
	if got := b.verify(c, "secret"); got != Stale {
		t.Fatalf("after its life: %v", got)
	}
	if got := b.verify(c, "guess"); got != Stale {
		t.Fatalf("a guess with an old nonce: %v, must tell nothing", got)
	}
	future := newBench(0)
	future.clock.Advance(time.Hour)
	if got := b.verify(future.credentials(t, 0, nil), "secret"); got != Stale {
		t.Fatalf("a nonce from the future: %v", got)
	}
}

func TestNonceOfAnotherSecretOrRealm(t *testing.T) {
	b := newBench(0)
	for _, o := range []ServerOptions{
		{Realm: "pbx", Secret: []byte("another secret!!")},
		{Realm: "xbp", Secret: []byte("0123456789abcdef")},
	} {
		o.Clock, o.Random = b.clock, &counting{}
		ch, _ := ParseChallenge(NewServer(o).Challenges(false)[0])
		c := b.credentials(t, 0, func(c *Credentials) { c.Nonce = ch.Nonce })
		if got := b.verify(c, "secret"); got != Stale {
			t.Fatalf("%v", got)
		}
	}
}

func TestNonceStoreIsBoundedAndStillRefusesReplay(t *testing.T) {
	const limit = 4
	b := newBench(limit)
	unused := b.credentials(t, 0, nil)
	b.clock.Advance(time.Millisecond)
	var all []Credentials
	for range limit + 2 {
		c := b.credentials(t, 0, nil)
		if got := b.verify(c, "secret"); got != Passed {
			t.Fatal(got)
		}
		all = append(all, c)
		b.clock.Advance(time.Millisecond)
	}
	if st := b.Stats(); st.Nonces != limit || st.Evicted != 2 {
		t.Fatalf("%+v", st)
	}
	for i, c := range all {
		if got := b.verify(c, "secret"); got != Stale {
			t.Fatalf("replay of nonce %d: %v", i, got)
		}
	}
	if got := b.verify(unused, "secret"); got != Stale {
		t.Fatalf("older than a forgotten nonce: %v", got)
	}
	b.clock.Advance(MaxLifetime + time.Second)
	b.verify(b.credentials(t, 0, nil), "secret")
	if st := b.Stats(); st.Nonces != 1 {
		t.Fatalf("%d nonces after all have expired", st.Nonces)
	}
}

// TestMaxNonces: a server that is told nothing else remembers so many.
func TestMaxNonces(t *testing.T) {
	c := &newBench(0).counters
	for i := range MaxNonces {
		c.use(fmt.Sprint(i), start.Add(time.Duration(i)), start, 1)
	}
	if len(c.byNonce) != MaxNonces || c.evicted != 0 {
		t.Fatalf("%d remembered, %d forgotten", len(c.byNonce), c.evicted)
	}
	if c.use("more", start.Add(time.Second), start, 1); len(c.byNonce) != MaxNonces || c.evicted != 1 {
		t.Fatalf("%d remembered, %d forgotten", len(c.byNonce), c.evicted)
	}
}

func TestChallengesCostNoMemory(t *testing.T) {
	b := newBench(0)
	for range 1000 {
		b.verify(b.credentials(t, 0, nil), "guess")
	}
	if st := b.Stats(); st.Nonces != 0 || st.Denied != 1000 {
		t.Fatalf("%+v", st)
	}
}

func TestRandomFailureIsCounted(t *testing.T) {
	s := NewServer(ServerOptions{Realm: "pbx", Secret: []byte("k"), Clock: clock.NewVirtual(start), Random: strings.NewReader("")})
	if len(s.Challenges(false)) != 2 || s.Stats().RandomFailed != 1 {
		t.Fatal("no challenge or not counted")
	}
}

// Equal work: both verdicts hash the same number of times. Time itself is not
// compared on a busy machine; the work is made visible by allocations.
func TestUnknownUserCostsTheSameWork(t *testing.T) {
	b := newBench(0)
	work := func(user string) float64 {
		c := b.credentials(t, 0, func(c *Credentials) { c.Username = user })
		c.Response = c.response("guess", invite)
		value := []string{c.String()}
		return testing.AllocsPerRun(50, func() { b.Verify(invite, value, passwords) })
	}
	if known, unknown := work("101"), work("999"); known != unknown {
		t.Fatalf("%v allocations for a known user, %v for an unknown one", known, unknown)
	}
}

func BenchmarkVerify(b *testing.B) {
	s := newBench(0)
	ch, _ := ParseChallenge(s.Challenges(false)[0])
	c := Credentials{Username: "999", Realm: ch.Realm, Nonce: ch.Nonce, URI: "sip:200@pbx", Algorithm: SHA256, CNonce: "c", QOP: "auth", NC: 1}
	c.Response = c.response("x", invite)
	value := []string{c.String()}
	for b.Loop() {
		s.Verify(invite, value, passwords)
	}
}

func ExampleServer() {
	s := NewServer(ServerOptions{Realm: "pbx", Secret: []byte("0123456789abcdef"), Clock: clock.NewVirtual(start), Random: &counting{}})
	_, v := s.Verify(Request{Method: "REGISTER", URI: "sip:pbx"}, nil, passwords)
	fmt.Println(v)
	// Output: missing
}

// A nonce proves that its sender has read what we sent to that address.
func TestAnswers(t *testing.T) {
	b := newBench(0)
	c, err := ParseChallenge(b.ChallengesFor("192.0.2.7", false)[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		what, nonce, peer string
		want              bool
	}{
		{"the one it was given to", c.Nonce, "192.0.2.7", true},
		{"somebody else", c.Nonce, "192.0.2.8", false},
		{"a made-up one", "n" + c.Nonce[1:], "192.0.2.7", false},
		{"no nonce at all", "x", "192.0.2.7", false},
	} {
		if got := b.Answers(tt.nonce, tt.peer); got != tt.want {
			t.Errorf("%s: %v", tt.what, got)
		}
	}
	// Another address may use it all the same: NATs move phones.
	creds := Credentials{Username: "101", Realm: c.Realm, Nonce: c.Nonce, URI: "sip:200@pbx", Algorithm: c.Algorithm, CNonce: "cn", QOP: "auth", NC: 1}
	creds.Response = creds.response("secret", invite)
	if _, v := b.Verify(invite, []string{creds.String()}, passwords); v != Passed {
		t.Error(v)
	}
	b.clock.Advance(MaxLifetime + time.Second)
	if b.Answers(c.Nonce, "192.0.2.7") {
		t.Error("an old nonce")
	}
}

// Phones of 3GPP networks, and Bria, send this before any challenge.
func TestVerifyCredentialsBeforeAnyChallenge(t *testing.T) {
	b := newBench(0)
	unasked := `Digest username="101", realm="pbx", uri="sip:pbx", nonce="", response=""`
	if _, v := b.Verify(invite, []string{unasked}, passwords); v != Missing {
		t.Fatal(v)
	}
}
