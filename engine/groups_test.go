package engine

import (
	"slices"
	"testing"
	"time"

	"github.com/loopstart/loopstart/config"
)

// TestGroupOrder: who is rung first, and who rests.
func TestGroupOrder(t *testing.T) {
	var g groups
	g.init()
	group := &config.Group{Name: "sales", Members: []string{"101", "102", "8 916 000-00-03"}, Ring: "longest_idle"}
	now := noon
	order := func() []string { return g.ordered(group, "RU", now) }
	g.talked("101", now.Add(-time.Minute))
	g.talked("+79160000003", now.Add(-2*time.Minute))
	if got := order(); !slices.Equal(got, []string{"102", "8 916 000-00-03", "101"}) {
		t.Errorf("longest idle: %q", got)
	}
	group.WrapUp = 90 * time.Second
	if got := order(); !slices.Equal(got, []string{"102", "8 916 000-00-03"}) {
		t.Errorf("101 does not rest: %q", got)
	}
	now = now.Add(31 * time.Second)
	if got := order(); len(got) != 3 {
		t.Errorf("101 rests too long: %q", got)
	}
	group.Ring = "round_robin"
	for _, want := range []string{"101", "102", "8 916 000-00-03", "101"} {
		if got := order(); got[0] != want {
			t.Errorf("round robin: %q, want %s first", got, want)
		}
	}
	group.Ring = "serial"
	if got := order(); !slices.Equal(got, group.Members) {
		t.Errorf("serial: %q", got)
	}
}
