package digest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"
)

func newClient(realm string) *Client {
	return NewClient(Account{Username: "101", Password: "secret", Realm: realm}, &counting{})
}

func www(values ...string) []Field {
	var out []Field
	for _, v := range values {
		out = append(out, Field{"WWW-Authenticate", v})
	}
	return out
}

func parsed(t *testing.T, f []Field) Credentials {
	t.Helper()
	if len(f) != 1 {
		t.Fatalf("%d fields", len(f))
	}
	c, err := ParseCredentials(f[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClientPassesOurServer(t *testing.T) {
	b := newBench(0)
	c := newClient("pbx")
	for i := range 3 {
		x := c.Begin(invite)
		f := x.Fields()
		if i == 0 {
			if len(f) != 0 {
				t.Fatal("credentials before any challenge")
			}
			var err error
			if f, err = x.Challenged(www(b.Challenges(false)...)); err != nil {
				t.Fatal(err)
			}
		}
		got := parsed(t, f)
		if got.Algorithm != SHA256 || got.QOP != "auth" || got.NC != uint32(i+1) {
			t.Fatalf("request %d: %+v", i, got)
		}
		if _, v := b.Verify(invite, []string{f[0].Value}, passwords); v != Passed {
			t.Fatalf("request %d: %v", i, v)
		}
	}
}

func TestClientChoice(t *testing.T) {
	const nonce = `Digest realm="r", nonce="n"`
	for _, tc := range []struct {
		name   string
		values []string
		want   string // algorithm/qop or the error
	}{
		{"nothing named", []string{nonce}, "MD5/"},
		{"strongest wins", []string{nonce + `, qop="auth"`, nonce + `, algorithm=SHA-512-256, qop="auth"`, nonce + `, algorithm=SHA-256, qop="auth"`}, "SHA-512-256/auth"},
		{"unknown ones are passed over", []string{nonce + `, algorithm=XYZ`, nonce + `, algorithm=SHA-256, qop="token"`, nonce + `, algorithm=md5, qop="auth-int"`}, "MD5/auth-int"},
		{"auth before auth-int", []string{nonce + `, qop="auth-int, auth"`}, "MD5/auth"},
		{"session form", []string{nonce + `, algorithm=MD5-sess, qop="auth"`}, "MD5-sess/auth"},
		{"only unknown", []string{nonce + `, algorithm=XYZ`, `Bearer x`}, ErrUnsupported.Error()},
		{"none", nil, ErrUnsupported.Error()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, err := newClient("").Begin(invite).Challenged(www(tc.values...))
			if err != nil {
				if tc.want != errors.Unwrap(err).Error() {
					t.Fatal(err)
				}
				return
			}
			c := parsed(t, f)
			if got := string(c.Algorithm) + "/" + c.QOP; got != tc.want {
				t.Fatalf("%s, want %s", got, tc.want)
			}
			if c.Response != c.response("secret", invite) || c.URI != invite.URI || c.Username != "101" {
				t.Fatalf("%+v", c)
			}
		})
	}
}

func TestClientAnswersOnceAndOnceMoreWhenStale(t *testing.T) {
	fresh := func(i int, stale bool) []Field {
		return www(fmt.Sprintf(`Digest realm="r", nonce="n%d", qop="auth", stale=%v`, i, stale))
	}
	for _, tc := range []struct {
		name  string
		stale []bool
		sent  int // requests with credentials before it gives up
	}{
		{"a new nonce each time (CVE-2020-28242)", []bool{false, false, false}, 1},
		{"stale each time", []bool{true, true, true, true}, maxAnswers},
		{"stale once", []bool{false, true, false}, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			x := newClient("").Begin(invite)
			for i, stale := range tc.stale {
				_, err := x.Challenged(fresh(i, stale))
				if i < tc.sent && err != nil {
					t.Fatalf("challenge %d: %v", i, err)
				}
				if i >= tc.sent && !errors.Is(err, ErrRejected) {
					t.Fatalf("challenge %d: %v, want %v", i, err, ErrRejected)
				}
			}
		})
	}
}

func TestClientOldNonceOfAnEarlierRequest(t *testing.T) {
	c := newClient("")
	if _, err := c.Begin(invite).Challenged(www(`Digest realm="r", nonce="one", qop="auth"`)); err != nil {
		t.Fatal(err)
	}
	x := c.Begin(invite)
	if got := parsed(t, x.Fields()); got.Nonce != "one" || got.NC != 2 {
		t.Fatalf("%+v", got)
	}
	f, err := x.Challenged(www(`Digest realm="r", nonce="two", qop="auth"`)) // a server that forgets "stale"
	if err != nil || parsed(t, f).Nonce != "two" {
		t.Fatalf("%v %v", f, err)
	}
	if _, err := x.Challenged(www(`Digest realm="r", nonce="two", qop="auth"`)); !errors.Is(err, ErrRejected) {
		t.Fatalf("%v", err)
	}
	if f := c.Begin(invite).Fields(); len(f) != 0 {
		t.Fatalf("rejected credentials are sent again: %v", f)
	}
}

func TestClientStaleWithTheSameNonceKeepsCounting(t *testing.T) {
	c := newClient("")
	x := c.Begin(invite)
	for want := uint32(1); want <= 2; want++ {
		f, err := x.Challenged(www(`Digest realm="r", nonce="one", qop="auth", stale=true`))
		if err != nil || parsed(t, f).NC != want {
			t.Fatalf("%v %v", f, err)
		}
	}
}

func TestClientRealm(t *testing.T) {
	c := newClient("Mine")
	if _, err := c.Begin(invite).Challenged(www(`Digest realm="theirs", nonce="n"`)); !errors.Is(err, ErrRealm) {
		t.Fatalf("%v", err)
	}
	f, err := c.Begin(invite).Challenged(www(`Digest realm="theirs", nonce="n"`, `Digest realm="mine", nonce="m"`))
	if err != nil || parsed(t, f).Nonce != "m" {
		t.Fatalf("%v %v", f, err)
	}
}

func TestClientProxyAndServerTogether(t *testing.T) {
	x := newClient("").Begin(invite)
	f, err := x.Challenged([]Field{{"proxy-authenticate", `Digest realm="p", nonce="pn", qop="auth"`}})
	if err != nil || len(f) != 1 || f[0].Name != "Proxy-Authorization" {
		t.Fatalf("%v %v", f, err)
	}
	f, err = x.Challenged(www(`Digest realm="s", nonce="sn", qop="auth"`))
	if err != nil || len(f) != 2 || f[0].Name != "Authorization" || f[1].Name != "Proxy-Authorization" {
		t.Fatalf("%v %v", f, err)
	}
}

func TestClientLimits(t *testing.T) {
	c := newClient("")
	for i := range MaxSessions + 3 {
		if _, err := c.Begin(invite).Challenged(www(fmt.Sprintf(`Digest realm="r%d", nonce="n"`, i))); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.sessions) != MaxSessions || c.sessions[0].c.Realm != "r3" {
		t.Fatalf("%d sessions, first %s", len(c.sessions), c.sessions[0].c.Realm)
	}
	bad := make([]string, MaxChallenges)
	for i := range bad {
		bad[i] = "Digest x"
	}
	if _, err := c.Begin(invite).Challenged(www(append(bad, `Digest realm="r", nonce="n"`)...)); !errors.Is(err, ErrUnsupported) {
		t.Fatalf("challenge %d was read: %v", MaxChallenges+1, err)
	}
}

func TestClientEscapes(t *testing.T) {
	c := NewClient(Account{Username: `a"b\c`, Password: "p"}, &counting{})
	f, err := c.Begin(invite).Challenged(www(`Digest realm="x \"y\"", nonce="n", opaque="\"o"`))
	if err != nil {
		t.Fatal(err)
	}
	if got := parsed(t, f); got.Username != `a"b\c` || got.Realm != `x "y"` || got.Opaque != `"o` {
		t.Fatalf("%+v", got)
	}
	if !strings.Contains(f[0].Value, `username="a\"b\\c"`) {
		t.Fatal(f[0].Value)
	}
}

func TestClientWithoutRandomness(t *testing.T) {
	c := NewClient(Account{Username: "u"}, iotest.ErrReader(errors.New("dry")))
	if _, err := c.Begin(invite).Challenged(www(`Digest realm="r", nonce="n"`)); err == nil || !strings.Contains(err.Error(), "dry") {
		t.Fatalf("%v", err)
	}
}

// Some challenge every request, with one nonce for ever.
func TestClientSameNonceForCredentialsNotAskedFor(t *testing.T) {
	same := www(`Digest realm="r", nonce="one"`)
	c := newClient("")
	if _, err := c.Begin(invite).Challenged(same); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		x := c.Begin(invite)
		if got := parsed(t, x.Fields()); got.Nonce != "one" {
			t.Fatalf("%+v", got)
		}
		if f, err := x.Challenged(same); err != nil || parsed(t, f).Nonce != "one" {
			t.Fatalf("%v %v", f, err)
		}
	}
	x := c.Begin(invite)
	x.Fields()
	if _, err := x.Challenged(same); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Challenged(same); !errors.Is(err, ErrRejected) {
		t.Fatalf("asked for ever: %v", err)
	}
}
