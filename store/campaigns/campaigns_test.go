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
