package digest

import (
	"bytes"
	"io"
	"testing"

	icholy "github.com/icholy/digest"
)

// Another implementation answers our challenges and has its challenges
// answered by us: both sides mean the same digest.
func TestInterop(t *testing.T) {
	for i, name := range []string{"SHA-256", "MD5"} {
		t.Run("they answer us with "+name, func(t *testing.T) {
			b := newBench(0)
			chal, err := icholy.ParseChallenge(b.Challenges(false)[i])
			if err != nil {
				t.Fatal(err)
			}
			for count := 1; count <= 2; count++ {
				cred, err := icholy.Digest(chal, icholy.Options{Method: "INVITE", URI: "sip:200@pbx", Username: "101", Password: "secret", Count: count})
				if err != nil {
					t.Fatal(err)
				}
				if user, v := b.Verify(invite, []string{cred.String()}, passwords); v != Passed || user != "101" {
					t.Fatalf("nc %d: %v", count, v)
				}
			}
		})
	}
	for _, tc := range []struct{ name, challenge string }{
		{"md5", `Digest realm="r", nonce="n", algorithm=MD5, qop="auth"`},
		{"sha-256", `Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth,auth-int", opaque="o"`},
		{"sha-512-256", `Digest realm="r", nonce="n", algorithm=SHA-512-256, qop="auth"`},
		{"auth-int", `Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth-int"`},
		{"no qop", `Digest realm="r", nonce="n"`},
	} {
		t.Run("we answer them with "+tc.name, func(t *testing.T) {
			body := []byte("v=0\r\n")
			f, err := newClient("").Begin(Request{Method: "INVITE", URI: "sip:200@pbx", Body: body}).Challenged(www(tc.challenge))
			if err != nil {
				t.Fatal(err)
			}
			ours := parsed(t, f)
			chal, err := icholy.ParseChallenge(tc.challenge)
			if err != nil {
				t.Fatal(err)
			}
			theirs, err := icholy.Digest(chal, icholy.Options{
				Method: "INVITE", URI: "sip:200@pbx", Username: "101", Password: "secret", Count: 1, Cnonce: ours.CNonce,
				GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			if tc.name == "auth-int" || theirs.QOP == ours.QOP {
				if ours.Response != theirs.Response {
					t.Fatalf("%s\n%s", ours, theirs)
				}
				return
			}
			t.Fatalf("qop %q, theirs %q", ours.QOP, theirs.QOP)
		})
	}
}
