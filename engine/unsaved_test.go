package engine

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

// fullStore takes writes when it has room.
type fullStore struct {
	full  bool
	taken []string
	lost  []string
}

func (s *fullStore) write(id string) write {
	return write{"record", id, func(done func(error)) {
		if s.full {
			done(fault.New(fault.Unavailable, "store: disk is full"))
			return
		}
		s.taken = append(s.taken, id)
		done(nil)
	}}
}

func newUnsaved(s *fullStore) (*unsaved, *clock.Virtual) {
	clk := clock.NewVirtual(noon)
	return &unsaved{clk: clk, fails: func(_, id string, _ error) { s.lost = append(s.lost, id) }}, clk
}

// TestUnsaved fills the disk: what ends meanwhile waits, and goes to the store
// in order as soon as that takes something; what comes later goes behind it.
func TestUnsaved(t *testing.T) {
	s := &fullStore{}
	u, clk := newUnsaved(s)
	told := 0
	add := func(id string) { u.add(s.write(id), func() { told++ }) }
	add("a")
	s.full = true
	add("b")
	add("c")
	clk.Advance(3 * time.Second)
	s.full = false
	add("d")
	if u.waiting() != 3 || told != 4 || len(s.taken) != 1 {
		t.Fatalf("%d wait, %d told, taken %v", u.waiting(), told, s.taken)
	}
	clk.Advance(unsavedEvery)
	add("e")
	if got := fmt.Sprint(s.taken); got != "[a b c d e]" || u.waiting() != 0 || len(s.lost) != 0 {
		t.Errorf("taken %s, lost %v", got, s.lost)
	}
	u.add(write{"delivery", "f", func(done func(error)) { done(errors.New("no room")) }}, nil)
	if !slices.Equal(s.lost, []string{"f"}) {
		t.Errorf("lost %v", s.lost)
	}
}

// TestUnsavedLimit tells what does not fit into memory, and at the end what
// the store never took.
func TestUnsavedLimit(t *testing.T) {
	s := &fullStore{full: true}
	u, _ := newUnsaved(s)
	for n := range maxUnsaved + 2 {
		u.add(s.write(fmt.Sprint(n)), nil)
	}
	if len(s.lost) != 2 || u.waiting() != maxUnsaved {
		t.Fatalf("%d lost, %d wait", len(s.lost), u.waiting())
	}
	u.close()
	if len(s.lost) != maxUnsaved+2 || u.waiting() != 0 {
		t.Errorf("%d lost", len(s.lost))
	}
}
