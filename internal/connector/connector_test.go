package connector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
)

func TestLocksServeOneAfterTheOther(t *testing.T) {
	clk := clock.NewVirtual(time.Unix(0, 0))
	locks := NewLocks(clk)
	var mu sync.Mutex
	inside, most, done := 0, 0, 0
	for range 20 {
		clk.Busy(1)
		go func() {
			defer clk.Busy(-1)
			_ = locks.Do(context.Background(), "a", func() error {
				mu.Lock()
				inside++
				most = max(most, inside)
				mu.Unlock()
				pause(clk, time.Second)
				mu.Lock()
				inside--
				done++
				mu.Unlock()
				return nil
			})
		}()
	}
	clk.Settle()
	clk.Advance(time.Minute)
	if most != 1 || done != 20 {
		t.Fatalf("%d inside at once, %d done", most, done)
	}
	if len(locks.held) != 0 {
		t.Fatalf("left: %v", locks.held)
	}
}

// pause waits on the virtual clock.
func pause(clk *clock.Virtual, d time.Duration) {
	woken := make(chan struct{})
	clk.AfterFunc(d, func() {
		clk.Busy(1)
		close(woken)
	})
	clk.Busy(-1)
	<-woken
}

func TestWhoGivesUpOnALockLeavesIt(t *testing.T) {
	clk := clock.NewVirtual(time.Unix(0, 0))
	locks := NewLocks(clk)
	if err := locks.take(context.Background(), "a"); err != nil {
		t.Fatal(err)
	}
	clk.Busy(1)
	defer clk.Busy(-1)
	ctx, stop := Within(context.Background(), clock.System(), time.Millisecond)
	defer stop()
	if err := locks.Do(ctx, "a", func() error { return nil }); fault.CodeOf(err) != fault.Network {
		t.Fatalf("%v", err)
	}
	locks.give("a")
	if len(locks.held) != 0 {
		t.Fatalf("left: %v", locks.held)
	}
	locks.held["b"] = make([]chan struct{}, MaxWaiting)
	if err := locks.take(ctx, "b"); fault.CodeOf(err) != fault.Rate {
		t.Fatalf("a full line: %v", err)
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{fault.New(fault.Invalid, "x"), "stop 0s"},
		{fault.New(fault.NotFound, "x"), "stop 0s"},
		{fault.New(fault.Denied, "x"), "again 0s"}, // credentials are mended
		{fault.New(fault.Unavailable, "x"), "again 0s"},
		{Limited{fault.New(fault.Limit, "x"), time.Minute}, "again 1m0s"},
		{errors.New("x"), "again 0s"},
	} {
		r := Judge(c.err)
		word := "again"
		if r.Stop {
			word = "stop"
		}
		if got := fmt.Sprintf("%s %s", word, r.After); got != c.want {
			t.Errorf("%v: %s, want %s", c.err, got, c.want)
		}
	}
}

func TestLocal(t *testing.T) {
	l := Local{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gone" {
			Lose(w)
			return
		}
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-A", r.Header.Get("X-B"))
		w.WriteHeader(201)
		_, _ = w.Write(append([]byte(r.Host+" "), body...))
	})}
	res, err := l.Do(context.Background(), netx.Request{Method: "POST", URL: "https://crm.test/a?b=c", Header: http.Header{"x-b": {"v"}}, Body: []byte("hi")})
	if err != nil || res.Status != 201 || string(res.Body) != "crm.test hi" || res.Header.Get("X-A") != "v" {
		t.Fatalf("%+v %v", res, err)
	}
	if _, err := l.Do(context.Background(), netx.Request{Method: "GET", URL: "https://crm.test/gone"}); fault.CodeOf(err) != fault.Network {
		t.Fatalf("%v", err)
	}
}
