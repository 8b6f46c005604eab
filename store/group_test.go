package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// patient is a store on the machine's clock that would hold idle jobs back for
// an hour.
func patient(t *testing.T) *Store {
	t.Helper()
	s := openAt(t, Options{InMemory: true, Clock: clock.System()})
	if s.wait != groupWait {
		t.Fatalf("holds jobs back for %v", s.wait)
	}
	if err := s.update(func(*tx) error { return nil }); err != nil { // the committer reads wait again only after the next job
		t.Fatal(err)
	}
	s.wait = time.Hour
	return s
}

func putIdle(s *Store, n int) chan error {
	told := make(chan error, n)
	for i := range n {
		s.PutTimelineLater(fmt.Sprintf("call-%d", i), time.Unix(1e9, 0), []byte("[]"), func(err error) { told <- err })
	}
	return told
}

func TestWhatIsWaitedForTakesIdleJobsWithIt(t *testing.T) {
	const n = 20
	s := patient(t)
	before := s.counts.groups.Load()
	told := putIdle(s, n)
	if len(told) != 0 {
		t.Fatal("written at once, though nobody waits")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	for range n {
		if err := <-told; err != nil {
			t.Fatal(err)
		}
	}
	if groups := s.counts.groups.Load() - before; groups != 1 {
		t.Errorf("%d groups", groups)
	}
}

func TestCloseWritesIdleJobs(t *testing.T) {
	s := patient(t)
	told := putIdle(s, 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := <-told; err != nil {
			t.Error(err)
		}
	}
}

func TestIdleJobsAreWrittenAfterAWhile(t *testing.T) {
	s := openAt(t, Options{InMemory: true, Clock: clock.System()})
	if err := <-putIdle(s, 1); err != nil {
		t.Fatal(err)
	}
	if s := openAt(t, Options{InMemory: true, Clock: clock.NewVirtual(time.Unix(1e9, 0))}); s.wait != 0 {
		t.Error("a clock that stands still while a job is in flight would wait for ever")
	}
}

// TestPutIdleWritesTheLatest checks that a value is made when it is written.
func TestPutIdleWritesTheLatest(t *testing.T) {
	s := patient(t)
	p := s.Space("live")
	value := "early"
	told := make(chan error, 2)
	p.PutIdle(func(err error) { told <- err }, "a", func() []byte { return []byte(value) })
	p.PutIdle(func(err error) { told <- err }, "b", func() []byte { return nil })
	value = "late"
	must(t, s.Flush(t.Context()))
	must(t, <-told)
	must(t, <-told)
	if v, ok, err := p.Get("a"); err != nil || !ok || string(v) != "late" {
		t.Errorf("%q %v %v", v, ok, err)
	}
	if _, ok, err := p.Get("b"); err != nil || ok {
		t.Errorf("nothing was stored as something: %v %v", ok, err)
	}
}
