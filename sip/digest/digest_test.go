package digest

import (
	"strings"
	"testing"
)

// The worked examples of RFC 7616 §3.9.1 and RFC 2069 as corrected by its erratum.
func TestResponseVectors(t *testing.T) {
	req := Request{Method: "GET", URI: "/dir/index.html"}
	base := Credentials{
		Username: "Mufasa", Realm: "http-auth@example.org", URI: "/dir/index.html",
		Nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", NC: 1,
		CNonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", QOP: "auth",
	}
	old := Credentials{
		Username: "Mufasa", Realm: "testrealm@host.com", URI: "/dir/index.html",
		Nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093", Algorithm: MD5,
	}
	for _, tc := range []struct {
		name      string
		c         Credentials
		algorithm Algorithm
		password  string
		want      string
	}{
		{"md5", base, MD5, "Circle of Life", "8ca523f5e9506fed4657c9700eebdbec"},
		{"sha-256", base, SHA256, "Circle of Life", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
		{"no qop", old, MD5, "CircleOfLife", "1949323746fe6a43ef61f9606e7febea"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.c.Algorithm = tc.algorithm
			if got := tc.c.response(tc.password, req); got != tc.want {
				t.Fatalf("%s, want %s", got, tc.want)
			}
		})
	}
}

// RFC 7616 §3.9.2 prints this one for SHA-512-256 with userhash; the digest
// itself covers the plain name.
func TestResponseSHA512256DiffersFromOthers(t *testing.T) {
	seen := map[string]Algorithm{}
	for _, a := range algorithms {
		c := Credentials{Username: "u", Realm: "r", Nonce: "n", URI: "sip:a", Algorithm: a, CNonce: "c", NC: 1, QOP: "auth"}
		r := c.response("p", Request{Method: "INVITE"})
		if other, ok := seen[r]; ok {
			t.Fatalf("%s and %s give the same response", a, other)
		}
		seen[r] = a
		if want := map[bool]int{true: 32, false: 64}[strings.HasPrefix(string(a), "MD5")]; len(r) != want {
			t.Fatalf("%s: %d hex digits, want %d", a, len(r), want)
		}
	}
}

func TestAuthIntCoversTheBody(t *testing.T) {
	c := Credentials{Username: "u", Realm: "r", Nonce: "n", URI: "sip:a", Algorithm: MD5, CNonce: "c", NC: 1, QOP: "auth-int"}
	a := c.response("p", Request{Method: "INVITE", Body: []byte("v=0")})
	b := c.response("p", Request{Method: "INVITE", Body: []byte("v=1")})
	if a == b {
		t.Fatal("the body does not count")
	}
}

func TestParseChallenge(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want string // String of the parsed value, or the error
	}{
		{`Digest realm="a", nonce="n"`, `Digest realm="a", nonce="n", algorithm=MD5`},
		{`digest  nonce="n",realm="a \"b\"\\",algorithm=sha-256 , qop="auth,auth-int" ,stale=TRUE, opaque="o"`,
			`Digest realm="a \"b\"\\", nonce="n", opaque="o", stale=true, algorithm=SHA-256, qop="auth,auth-int"`},
		{`Digest realm="a", nonce="n", algorithm=XYZ, qop=auth, domain="sip:a, sip:b"`, `Digest realm="a", nonce="n", algorithm=XYZ, qop="auth"`},
		{`Digest realm="a"`, errNonce.Error()},
		{`Basic realm="a"`, errScheme.Error()},
		{`Digest realm="a", nonce="n", nonce="m"`, errRepeated.Error()},
		{`Digest realm="a`, errSyntax.Error()},
		{`Digest realm`, errSyntax.Error()},
		{`Digest realm="a\`, errSyntax.Error()},
		{"Digest realm=\"a\r\nX: y\", nonce=\"n\"", errSyntax.Error()},
		{`Digest ` + strings.Repeat("x", MaxValue), errTooLong.Error()},
		{"", errScheme.Error()},
	} {
		c, err := ParseChallenge(tc.in)
		got := ""
		if got = c.String(); err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%.60s:\n got %s\nwant %s", tc.in, got, tc.want)
		}
	}
}

func TestParamsLimit(t *testing.T) {
	build := func(n int) string {
		s := "Digest "
		for i := range n {
			s += "p" + string(rune('a'+i/26)) + string(rune('a'+i%26)) + "=1,"
		}
		return s
	}
	if _, err := parseParams(build(MaxParams)); err != nil {
		t.Fatal(err)
	}
	if _, err := parseParams(build(MaxParams + 1)); err != errParams {
		t.Fatalf("%v at one more than the limit", err)
	}
}

func TestParseCredentialsRefuses(t *testing.T) {
	const good = `Digest username="u", realm="r", nonce="n", uri="sip:a", response="00", qop=auth, cnonce="c", nc=0000000a`
	c, err := ParseCredentials(good)
	if err != nil || c.NC != 10 || c.QOP != "auth" {
		t.Fatalf("%+v %v", c, err)
	}
	for _, tc := range []struct {
		from, to string
		want     error
	}{
		{`username="u"`, `username=""`, errMissing},
		{`nonce="n"`, `x="n"`, errUnasked},
		{`uri="sip:a"`, `uri=""`, errMissing},
		{`response="00"`, `response=`, errMissing},
		{`cnonce="c"`, `cnonce=""`, errMissing},
		{`nc=0000000a`, `nc=a`, errCount},
		{`nc=0000000a`, `nc=00000000`, errCount},
		{`nc=0000000a`, `nc=-000000a`, errCount},
		{`nc=0000000a`, `nc=xyzxyzxy`, errCount},
	} {
		if _, err := ParseCredentials(strings.Replace(good, tc.from, tc.to, 1)); err != tc.want {
			t.Errorf("%s: %v, want %v", tc.to, err, tc.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`Digest realm="a \"b\"\\", nonce="n", algorithm=SHA-256, qop="auth,auth-int", stale=true`)
	f.Add(`Digest username="u", realm="r", nonce="n", uri="sip:a", response="00", qop=auth, cnonce="c", nc=0000000a, opaque="x"`)
	f.Add(`Digest username="u",realm=r,nonce=n,uri=sip:a,response=0`)
	for _, s := range []string{ // as RFC 4475 tortures parsers: unknown schemes, folding, escapes, open quotes, huge numbers
		`NoOneKnowsThisScheme opaque-data=here`, "Digest realm=\"a\",\r\n nonce = \"n\" ,\t qop =auth", `Digest realm="unbalanced, nonce="n"`, `Digest realm="\`,
		`DIGEST realm="sip:user%00@h", nonce="%c3%28", qop="auth, ,auth-int,,"`, `Digest ,,,realm="r",,nonce="",`, `Digest username="u", nc=fffffffff, realm="r", nonce="n", uri="sip:a;b=<c>", response=""`,
		`Digest realm="r", realm="s", nonce="n", nonce="m"`, `Basic cGFzcw==, Digest realm="r", nonce="n"`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if c, err := ParseChallenge(s); err == nil {
			again, err := ParseChallenge(c.String())
			if err == nil && again.Nonce != c.Nonce {
				t.Fatalf("nonce %q became %q", c.Nonce, again.Nonce)
			}
			if strings.ContainsAny(c.String(), "\r\n") {
				t.Fatal("a line break survives")
			}
		}
		if c, err := ParseCredentials(s); err == nil {
			_ = c.String()
			c.response("p", Request{Method: "INVITE"})
		}
	})
}
