package store_test

import (
	"testing"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/store"
	"github.com/loopstart/loopstart/store/storetest"
)

func TestConformance(t *testing.T) {
	for name, memory := range map[string]bool{"memory": true, "disk": false} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T, clk clock.Clock) storetest.Backend {
				s, err := store.Open(store.Options{Dir: t.TempDir(), InMemory: memory, Clock: clk})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				})
				return storetest.Backend{KV: s, Leases: s, Calls: s, Space: func(name string) storetest.Space { return s.Space(name) }}
			})
		})
	}
}
