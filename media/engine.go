package media

import (
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/codec"
)

// Defaults and limits of an engine.
const (
	DefaultPortMin = 40000
	DefaultPortMax = 49999
	maxShards      = 16
	sessionLimit   = 16000 // open at once; two descriptors each
	recordingLimit = 4096  // running at once: 128 MB/s of stereo files
)

// Config sets up an Engine. The zero value is usable.
type Config struct {
	PortMin, PortMax uint16         // pool of RTP (even) and RTCP (odd) ports; 0 = the defaults
	Shards           int            // pacer threads; 0 = one per core
	Codecs           []*codec.Codec // what sessions offer unless they say otherwise; nil = PCMA and PCMU
	SilenceTimeout   time.Duration  // media timeout of sessions that set none; 0 = off
	RequireMedia     bool           // of those: also ends who never sends anything
	Lookup           Lookup         // of hosts that peers name in place of addresses; nil: such peers are refused

	// Fabric replaces the machine's sockets by a network inside the process,
	// driven by the engine's clock. An engine on a virtual clock that is given
	// none makes its own.
	Fabric *Fabric
}

// Engine owns the shards that pace all RTP, the ports, and the goroutines that
// deliver events and write recordings.
//
// # Concurrency
//
// All methods of Engine and Session may be called from any goroutine and do
// not wait for the network or a disk; only Engine.Close waits.
type Engine struct {
	cfg     Config
	clk     clock.Clock
	log     *slog.Logger
	base    time.Time // frame 0 of every wheel
	ports   *portPool
	sockets socketMaker
	shards  []*shard
	notes   *notifier
	writers *writerPool
	names   *nameDesk
	convert [2][2]*[256]byte // between the codecs of G.711, by slot

	ids        atomic.Uint32
	recordings atomic.Int64
	opened     atomic.Uint64
	refused    atomic.Uint64
	overflows  atomic.Uint64 // commands refused
	turns      atomic.Uint64 // bridges and their ends
	encoding   atomic.Int64  // prompts that are being encoded
	stopped    atomic.Bool   // ends them

	mu       sync.Mutex
	closed   bool
	sessions map[*Session]struct{}
	mixers   map[*Mixer]struct{}
	empty    *sync.Cond // sessions and mixers are empty
}

// socketMaker opens the sockets that a shard's netIO then uses.
type socketMaker interface {
	open(local netip.AddrPort) (socketID, error)
	newIO() netIO
}

// NewEngine starts an engine. Its pacer threads sleep until the first session.
func NewEngine(cfg Config, clk clock.Clock, log *slog.Logger) (*Engine, error) {
	if err := cfg.complete(clk); err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	e := &Engine{
		cfg: cfg, clk: clk, log: log, base: clk.Now(),
		ports: newPortPool(cfg.PortMin, cfg.PortMax), notes: newNotifier(clk),
		writers: newWriterPool(clk), names: newNameDesk(cfg.Lookup), sessions: make(map[*Session]struct{}), mixers: make(map[*Mixer]struct{}),
	}
	e.empty = sync.NewCond(&e.mu)
	for _, from := range [...]*codec.Codec{codec.PCMA, codec.PCMU} {
		for _, to := range [...]*codec.Codec{codec.PCMA, codec.PCMU} {
			e.convert[from.Slot][to.Slot] = transcoder(from, to)
		}
	}
	e.sockets = kernelSockets{}
	if cfg.Fabric != nil {
		e.sockets = cfg.Fabric
	}
	for i := range cfg.Shards {
		sh := newShard(e, i)
		e.shards = append(e.shards, sh)
		if cfg.Fabric != nil {
			sh.driver = newTimerDriver(sh, clk)
		} else {
			sh.driver = newPacer(sh, clk, log)
		}
	}
	return e, nil
}

// complete checks the configuration and fills in the defaults.
func (c *Config) complete(clk clock.Clock) error {
	if c.PortMin == 0 && c.PortMax == 0 {
		c.PortMin, c.PortMax = DefaultPortMin, DefaultPortMax
	}
	if c.PortMin == 0 || c.PortMax <= c.PortMin {
		return fault.New(fault.Invalid, "media: port range %d-%d is empty", c.PortMin, c.PortMax).
			WithHint("two ports per call are needed, for example 40000-49999")
	}
	if c.Shards <= 0 {
		c.Shards = runtime.NumCPU()
	}
	c.Shards = min(c.Shards, maxShards)
	if len(c.Codecs) == 0 {
		c.Codecs = []*codec.Codec{codec.PCMA, codec.PCMU}
	}
	if _, virtual := clk.(*clock.Virtual); virtual && c.Fabric == nil {
		c.Fabric = NewFabric(clk)
	}
	return nil
}

// Open takes a pair of ports and prepares a session. RTP begins with Start.
// The error is fault.Limit when no port or no session is free.
func (e *Engine) Open(o SessionOptions) (*Session, error) {
	if !o.Bind.IsValid() {
		o.Bind = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if !o.Advertise.IsValid() {
		o.Advertise = o.Bind
	}
	if len(o.Codecs) == 0 {
		o.Codecs = e.cfg.Codecs
	}
	if o.MediaTimeout == 0 {
		o.MediaTimeout = e.cfg.SilenceTimeout
		o.RequireMedia = o.RequireMedia || e.cfg.RequireMedia
	}
	s, err := e.admit(o)
	if err != nil {
		e.refused.Add(1)
		return nil, err
	}
	e.opened.Add(1)
	return s, nil
}

func (e *Engine) admit(o SessionOptions) (*Session, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, fault.New(fault.Unavailable, "media: the engine is closed")
	}
	if len(e.sessions) >= sessionLimit {
		return nil, fault.New(fault.Limit, "media: %d sessions are open", sessionLimit)
	}
	port, rtp, rtcp, err := e.openPair(o.Bind)
	if err != nil {
		return nil, err
	}
	s := newSession(e, o, port, rtp, rtcp)
	e.sessions[s] = struct{}{}
	return s, nil
}

// openPair binds an even port and the odd one after it.
func (e *Engine) openPair(bind netip.Addr) (uint16, socketID, socketID, error) {
	for range e.ports.size() {
		port, ok := e.ports.take()
		if !ok {
			break
		}
		rtp, err := e.sockets.open(netip.AddrPortFrom(bind, port))
		if err == nil {
			var rtcp socketID
			rtcp, err = e.sockets.open(netip.AddrPortFrom(bind, port+1))
			if err == nil {
				return port, rtp, rtcp, nil
			}
			e.sockets.newIO().close(rtp)
		}
		e.ports.give(port)
		if !errors.Is(err, errPortTaken) {
			return 0, 0, 0, fault.New(fault.Media, "media: bind %s: %w", netip.AddrPortFrom(bind, port), err).
				WithHint("the address must be one of this machine and descriptors must be left (ulimit -n)")
		}
		e.ports.taken.Add(1)
	}
	return 0, 0, 0, fault.New(fault.Limit, "media: no free port in %d-%d", e.cfg.PortMin, e.cfg.PortMax).
		WithHint("widen media.ports; a call needs two ports")
}

// place picks the shard with the fewest sessions.
func (e *Engine) place() *shard {
	return slices.MinFunc(e.shards, func(a, b *shard) int { return int(a.load.Load() - b.load.Load()) })
}

// release ends the life of a session whose shard is done with it.
func (e *Engine) release(s *Session, io netIO) {
	io.close(s.sock)
	io.close(s.rtcpSock)
	e.ports.give(s.port)
	e.mu.Lock()
	delete(e.sessions, s)
	if len(e.sessions)+len(e.mixers) == 0 {
		e.empty.Broadcast()
	}
	e.mu.Unlock()
}

// Close ends all sessions, waits for their last events and files, and stops
// every goroutine of the engine.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	e.stopped.Store(true)
	all := make([]*Session, 0, len(e.sessions))
	for s := range e.sessions {
		all = append(all, s)
	}
	mixers := slices.Collect(maps.Keys(e.mixers))
	e.mu.Unlock()
	for _, s := range all {
		s.Close()
	}
	for _, m := range mixers {
		m.Close()
	}
	if e.cfg.Fabric != nil {
		for _, sh := range e.shards {
			sh.driver.stop() // a virtual clock stands still: the last pass is run here
		}
	}
	e.mu.Lock()
	for len(e.sessions)+len(e.mixers) > 0 {
		e.empty.Wait()
	}
	e.mu.Unlock()
	if e.cfg.Fabric == nil {
		for _, sh := range e.shards {
			sh.driver.stop()
		}
	}
	e.names.close()
	e.writers.close()
	e.notes.close()
	return nil
}

// transcoder maps every code word of from to the nearest one of to.
func transcoder(from, to *codec.Codec) *[256]byte {
	var table, in [256]byte
	var pcm [256]int16
	for i := range in {
		in[i] = byte(i)
	}
	if from == to {
		return &in
	}
	from.Decode(pcm[:], in[:])
	to.Encode(table[:], pcm[:])
	return &table
}
