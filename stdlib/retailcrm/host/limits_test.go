package host

import "testing"

// TestTriesLimit: an account that always wants us to slow down is asked so
// often.
func TestTriesLimit(t *testing.T) {
	w := newWorld(t, account())
	before := len(w.fake.Requests())
	w.fake.Fail(100, 503, "")
	if _, err := w.do("rest", `{"method":"GET","path":"credentials"}`); err == nil {
		t.Fatal("no error")
	}
	if n := len(w.fake.Requests()) - before; n != maxTries {
		t.Errorf("%d tries", n)
	}
}
