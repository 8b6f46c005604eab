package campaigns

import (
	"testing"

	"github.com/loopstart/loopstart/campaign"
	"github.com/loopstart/loopstart/campaign/campaigntest"
	"github.com/loopstart/loopstart/store"
)

// openStore opens a store that the test closes.
func openStore(t testing.TB, dir string) (*store.Store, *Repo) {
	t.Helper()
	s, err := store.Open(store.Options{Dir: dir, InMemory: dir == "", Reserve: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return s, New(s.Space(SpaceName))
}

// openRepo opens a store until the end of the test.
func openRepo(t testing.TB, dir string) (*store.Store, *Repo) {
	t.Helper()
	s, r := openStore(t, dir)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, r
}

func TestConformance(t *testing.T) {
	for name, dir := range map[string]string{"memory": "", "disk": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			campaigntest.RunRepo(t, func(t *testing.T) campaign.Repo {
				d := dir
				if d != "" {
					d = t.TempDir()
				}
				_, r := openRepo(t, d)
				return r
			})
		})
	}
}

func TestStopList(t *testing.T) {
	_, r := openRepo(t, "")
	s := r.StopList()
	for _, p := range []string{"+79160000002", "+79160000001"} {
		if err := s.Add(Stop{Phone: p, Reason: "asked"}); err != nil {
			t.Fatal(err)
		}
	}
	if ok, err := s.Has("+79160000001"); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if ok, err := s.Has("+7916000000"); ok || err != nil {
		t.Fatal("a beginning of a number is on it", err)
	}
	page, err := s.List("+79160000001", 10)
	if err != nil || len(page) != 1 || page[0].Phone != "+79160000002" || page[0].Reason != "asked" {
		t.Fatal(page, err)
	}
	if err := s.Delete("+79160000001"); err != nil {
		t.Fatal(err)
	}
	if ok, err := s.Has("+79160000001"); ok || err != nil {
		t.Fatal(ok, err)
	}
}
