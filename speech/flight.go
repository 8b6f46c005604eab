package speech

import (
	"context"
	"sync"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

// flights makes equal utterances that are asked for at once only once.
type flights struct {
	clk clock.Clock
	mu  sync.Mutex
	all map[string]*flight
}

// flight is one render with everybody who waits for it.
type flight struct {
	waiters int
	cancel  context.CancelFunc
	done    chan struct{}
	clip    Clip
	err     error
}

func (f *flights) init(clk clock.Clock) { f.clk, f.all = clk, make(map[string]*flight) }

func (f *flights) size() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.all)
}

// errCrowded is what do answers when MaxFlights are under way.
var errCrowded = fault.New(fault.Limit, "speech: %d utterances are being made", MaxFlights)

// do joins the flight of key, or starts one that runs work. The flight goes on
// while one caller waits for it.
func (f *flights) do(ctx context.Context, key string, work func(context.Context) (Clip, error)) (Clip, error) {
	f.mu.Lock()
	fl := f.all[key]
	if fl == nil {
		if len(f.all) >= MaxFlights {
			f.mu.Unlock()
			return Clip{}, errCrowded
		}
		fl = f.start(ctx, key, work)
	}
	fl.waiters++
	f.mu.Unlock()
	select {
	case <-fl.done:
		return fl.clip, fl.err
	case <-ctx.Done():
		f.leave(key, fl)
		return Clip{}, fault.New(fault.Media, "speech: given up: %w", context.Cause(ctx))
	}
}

// start begins a flight. The caller holds mu.
func (f *flights) start(ctx context.Context, key string, work func(context.Context) (Clip, error)) *flight {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	fl := &flight{cancel: cancel, done: make(chan struct{})}
	f.all[key] = fl
	f.clk.Busy(1)
	go func() {
		defer f.clk.Busy(-1)
		defer cancel()
		fl.clip, fl.err = work(ctx)
		f.mu.Lock()
		if f.all[key] == fl {
			delete(f.all, key)
		}
		f.mu.Unlock()
		close(fl.done)
	}()
	return fl
}

// leave ends the flight when the last caller has gone. The next one who asks
// starts another.
func (f *flights) leave(key string, fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl.waiters--; fl.waiters == 0 {
		fl.cancel()
		if f.all[key] == fl {
			delete(f.all, key)
		}
	}
}
