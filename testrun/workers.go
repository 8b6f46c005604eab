package testrun

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/runtime/message"
	"github.com/loopstart/loopstart/stdlib"
	test "github.com/loopstart/loopstart/stdlib/test/script"
)

// seed is behind every random number in tests.
const seed = 12

// workers are the script workers of one stage, as goroutines of this process.
type workers struct {
	clk  clock.Clock
	log  *slog.Logger
	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup
}

func newWorkers(clk clock.Clock, log *slog.Logger) *workers {
	w := &workers{clk: clk, log: log}
	w.ctx, w.stop = context.WithCancel(context.Background())
	return w
}

// dial starts a worker for a script.
func (w *workers) dial(string) (message.Conn, error) { return w.serve(nil), nil }

// serve starts a worker; with a host it runs a test file.
func (w *workers) serve(h test.Host) message.Conn {
	host, far := message.Pipe(w.clk)
	o := runtime.Options{Clock: w.clk, Log: w.log, Lanes: 1, Random: rand.New(rand.NewPCG(seed, seed)).Float64, Entropy: rand.NewChaCha8([32]byte{seed})}
	if h == nil {
		o = stdlib.Worker(o)
	} else {
		o = stdlib.TestWorker(o, h)
	}
	w.wg.Go(func() {
		if err := runtime.ServeConn(w.ctx, far, o); err != nil && w.ctx.Err() == nil {
			w.log.Error("script worker: " + err.Error())
		}
	})
	return host
}

// close ends all workers and waits for them.
func (w *workers) close() {
	w.stop()
	w.wg.Wait()
}
