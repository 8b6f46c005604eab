package engine

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/api"
	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/flow"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sound"
	"github.com/loopstart/loopstart/runtime/supervisor"
	"github.com/loopstart/loopstart/scripts"
	"github.com/loopstart/loopstart/sip/dns"
	"github.com/loopstart/loopstart/speech"
	campaignhost "github.com/loopstart/loopstart/stdlib/campaign/host"
	"github.com/loopstart/loopstart/store"
	"github.com/loopstart/loopstart/store/outbox"
)

// Options are what the configuration does not say.
type Options struct {
	Clock clock.Clock
	Log   *slog.Logger
	// Worker and Builder make the command lines of the child processes: this
	// binary again, with a hidden verb.
	Worker  func(script string) *exec.Cmd
	Builder func() *exec.Cmd
	// Encoder makes the command line of the child that turns recordings into Opus
	// in Ogg; nil does it in this process.
	Encoder func() *exec.Cmd
	// Dev makes the engine harmless: no registrations, no dialling through
	// trunks, no deliveries to other hosts. Live lifts that for one trunk.
	Dev  bool
	Live string
	// State overrides the store's folder; "" is the configuration's.
	State string
	// OnEnded hears of every finished call, for `dev` and `call`; also of an order
	// that ends before its first dial, with no timeline.
	OnEnded func(call.Record, []call.Entry)
	// OnScript hears of every change of a script.
	OnScript func(scripts.Change)
	// OnFlow hears of every flow that has ended.
	OnFlow  func(flow.Flow)
	Version string
	// World replaces the outside, for tests in virtual time; nil is the real one.
	World *World
}

// Engine is the running program.
type Engine struct {
	opts Options
	clk  clock.Clock
	log  *slog.Logger
	cfg  atomic.Pointer[config.Config]

	store   *store.Store
	outbox  *outbox.Outbox
	unsaved *unsaved
	media   *media.Engine
	library *sound.Library
	speaker *speech.Speaker
	chain   []speech.Synthesizer
	// apologies are spoken when nothing else can be, by language.
	apologies map[string]*sound.Prompt
	sip       Endpoint
	scripts   *scripts.Registry
	workers   *supervisor.Supervisor

	settings  settings     // static config of script versions
	calls     calls        // live calls
	orders    orders       // open orders
	flows     *flow.Runner // durable flows
	campaigns campaigns    // lists of people to call
	sounds    remoteSounds
	fetchers  fetchers                       // HTTP clients by rules
	groups    groups                         // who was rung last
	rooms     *call.Rooms                    // conferences
	queues    queues                         // lines in front of groups
	admission admission                      // calls at once and per second
	lines     lines                          // calls on each trunk
	tallies   tallies                        // what became of them
	record    *recordings                    // files
	feed      feed                           // live events
	numbers   told                           // numbers of events of what is over
	tones     tones                          // rendered tones
	conns     api.Conns                      // of the HTTP listeners
	messages  messages                       // outside of calls
	relays    relays                         // of them from user to user
	methods   map[string]campaignhost.Method // of modules that work in this process
	crm       crm                            // connectors
	tracing   tracing                        // of steps
	veil      curtain                        // over secrets in logs and timelines
	timetable timetable                      // runs of onSchedule
	pulse     pulse                          // when the process last lived
	live      liveCalls                      // rows of inbound calls in progress
	bindings  bindings                       // where users can be reached
	banRows   banRows
	costs     costs
	audit     audit      // of writes through the API
	erasing   erasing    // one at a time
	labels    labels     // of caller numbers
	seen      signatures // of hooks

	// ears hear what callers say; nothing in tests.
	ears *speech.Listener
	// streams are the media streams of calls.
	streams streams

	counters call.Counters
	started  time.Time
	up       chan struct{}          // closed when all is built and recovered; calls wait for it
	httpAddr atomic.Pointer[string] // where the API really listens
	background
}

// background is what runs beside the calls and ends with Close.
type background struct {
	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup

	hurried atomic.Bool // nothing is waited for any more
}

// New builds and starts an engine. What was built is torn down again when a
// later part fails.
func New(cfg *config.Config, o Options) (*Engine, error) {
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	e := &Engine{opts: o, clk: o.Clock, log: o.Log, started: o.Clock.Now(), up: make(chan struct{})}
	e.cfg.Store(cfg)
	e.veil.set(cfg)
	e.log = slog.New(veiledLog{o.Log.Handler(), &e.veil})
	e.ctx, e.stop = context.WithCancel(context.Background())
	e.unsaved = &unsaved{clk: e.clk, fails: func(what, id string, err error) { e.log.Error("engine: a "+what+" is lost", "id", id, "err", err) }}
	e.prepare()
	for _, build := range []func(*config.Config) error{
		e.openFetchers, e.openStore, e.openQueues, e.openFlows, e.openMedia, e.openSpeech, e.openASR, e.openRecordings, e.openRooms, e.openWorkers, e.openScripts, e.openOutbox, e.openCRM, e.openSIP,
	} {
		if err := build(cfg); err != nil {
			e.Close()
			return nil, err
		}
	}
	if err := e.campaigns.recover(); err != nil {
		e.Close()
		return nil, err
	}
	e.recoverOrders()
	e.flows.Start()
	e.live.recover()
	e.resumeRecordings()
	if err := e.queues.recoverBacks(); err != nil {
		e.Close()
		return nil, err
	}
	e.outbox.Start()
	e.housekeep()
	close(e.up)
	e.campaigns.start()
	e.timetable.start()
	return e, nil
}

func (e *Engine) prepare() {
	e.settings.init()
	e.calls.init()
	e.orders.init(e)
	e.campaigns.init(e)
	e.methods = e.campaignMethods()
	e.crmMethods(e.methods)
	maps.Copy(e.methods, e.queueMethods())
	e.groups.init()
	e.streams.e = e
	e.feed.init(e.clk.Now())
	e.timetable.init(e)
}

// Config is the configuration in force.
func (e *Engine) Config() *config.Config { return e.cfg.Load() }

// path is a path of the configuration, relative to the project folder.
func (e *Engine) path(p string) string { return inProject(e.Config(), p) }

// inProject is a path of the configuration, relative to the project's folder.
func inProject(cfg *config.Config, p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(cfg.Dir, p)
}

// stateDir is where the store and the caches live.
func (e *Engine) stateDir() string {
	if e.opts.State != "" {
		return e.opts.State
	}
	return e.path(e.Config().Store.Dir)
}

func (e *Engine) openStore(cfg *config.Config) (err error) {
	if w := e.opts.World; w != nil && w.Store != nil {
		e.store = w.Store
	} else if err = restoreBroken(e.stateDir()); err == nil {
		e.store, err = store.Open(store.Options{
			Dir: e.stateDir(), InMemory: w != nil, Clock: e.clk, Log: e.log, MaxValue: int(cfg.Limits.KVValue),
		})
	}
	if err == nil {
		e.live, e.bindings = liveCalls{e, e.store.Space("live")}, bindings{e, e.store.Space("bindings")}
		e.banRows = banRows{e, e.store.Space("bans")}
		e.tallies = tallies{e, e.store.Space("trunkdays")}
		e.costs.e = e
		err = e.pulse.open(e)
		e.audit = audit{e, e.store.Space("audit"), new(atomic.Uint32), new(atomic.Int64)}
	}
	return err
}

func (e *Engine) openMedia(cfg *config.Config) (err error) {
	e.library = sound.NewLibrary(sound.LibraryOptions{MaxBytes: int64(cfg.Limits.Prompts)})
	c := media.Config{
		PortMin: cfg.Media.Ports.Min, PortMax: cfg.Media.Ports.Max, Codecs: codecs(cfg.Media.Codecs), SilenceTimeout: cfg.Media.Timeout,
		Lookup:       lookupAudio,
		RequireMedia: cfg.Names("media.timeout"), // by default who never sends is left alone: it may only want to listen
	}
	if w := e.opts.World; w != nil {
		c.Fabric, c.Shards, c.Lookup = w.Fabric, 1, nil
	}
	e.media, err = media.NewEngine(c, e.clk, e.log)
	return err
}

// lookupAudio finds the hosts that descriptions name, as trunks are found.
func lookupAudio(ctx context.Context, host string) ([]netip.Addr, error) {
	found, _, err := dns.New(dns.Options{System: net.DefaultResolver}).Addrs(ctx, host)
	return found, err
}

// codecs are those of a list that this version has.
func codecs(names []string) []*codec.Codec {
	var out []*codec.Codec
	for _, n := range names {
		if c, ok := codec.ByName(n); ok {
			out = append(out, c)
		}
	}
	return out
}

func (e *Engine) openOutbox(cfg *config.Config) (err error) {
	e.outbox, err = outbox.Open(outbox.Options{Space: e.store.Space("outbox"), Deliver: e.deliver, Clock: e.clk, Log: e.log, MaxWaiting: cfg.Limits.Outbox, Share: e.share})
	return err
}

// share is what deliveries to one host may have; asked each time, so that a
// reload changes it.
func (e *Engine) share(host string) outbox.Share {
	atOnce, rate := e.Config().Outbox.Share(host)
	return outbox.Share{AtOnce: atOnce, Rate: rate}
}

// Close ends everything at once: calls, workers, sockets, store.
func (e *Engine) Close() {
	e.stop()
	e.campaigns.halt()
	e.timetable.stop()
	e.admission.drain()
	if e.sip != nil {
		e.sip.Drain(true)
	}
	e.calls.hangupAll("system")
	e.settle()
	e.queues.close()
	e.orders.close()
	e.campaigns.close()
	if e.flows != nil {
		e.flows.Close()
	}
	if e.sip != nil {
		e.sip.Close()
	}
	e.unsaved.close()
	if e.outbox != nil {
		e.outbox.Close()
	}
	if e.workers != nil {
		e.workers.Close()
	}
	if e.scripts != nil {
		e.scripts.Close()
	}
	if e.media != nil {
		_ = e.media.Close()
	}
	e.wg.Wait()
	if w := e.opts.World; e.store != nil && (w == nil || w.Store == nil) {
		if err := e.store.Close(); err != nil {
			e.log.Error("engine: close the store", "err", err)
		}
	}
}

// How long Close waits for calls that were hung up: for their scripts to do
// what is left, or, in a hurry, for BYE and its answer.
const (
	closeGrace  = 7 * time.Second
	hurriedWait = 300 * time.Millisecond
)

// Hurry makes Close end scripts at once instead of after their grace.
func (e *Engine) Hurry() { e.hurried.Store(true) }

// settle waits for calls that were hung up until their records are written.
func (e *Engine) settle() {
	if !e.hurried.Load() {
		e.calls.wait(e.clk, closeGrace)
		return
	}
	e.calls.wait(e.clk, hurriedWait)
	e.workers.Abandon()
	e.calls.wait(e.clk, hurriedWait)
}

// Drain refuses new calls and waits until the present ones have ended, or ctx.
func (e *Engine) Drain(ctx context.Context) {
	e.admission.drain()
	e.sip.Drain(true)
	e.orders.pause()
	e.campaigns.halt()
	e.timetable.stop()
	e.flows.Pause()
	e.log.Info("engine: draining", "calls", e.calls.count())
	select {
	case <-e.calls.idle():
	case <-ctx.Done():
	}
}

// Reload puts another configuration into force. Calls in progress keep what
// they began with; listeners, ports and folders change only with a restart.
func (e *Engine) Reload(cfg *config.Config) error {
	if _, err := ClientTLS(cfg); err != nil {
		return err
	}
	if err := e.sip.Update(e.sipConfig(cfg)); err != nil {
		return err
	}
	e.cfg.Store(cfg)
	e.veil.set(cfg)
	if err := e.openFetchers(cfg); err != nil {
		return err
	}
	if err := e.openCRM(cfg); err != nil {
		return err
	}
	if err := e.openASR(cfg); err != nil {
		return err
	}
	e.queues.configure(cfg)
	e.timetable.refreshAll()
	e.log.Info("engine: configuration reloaded")
	return nil
}

// housekeep sweeps what is older than its class is kept.
func (e *Engine) housekeep() {
	var sweep func()
	sweep = func() {
		if e.ctx.Err() != nil {
			return
		}
		e.wg.Add(1)
		e.clk.Busy(1)
		go func() {
			defer e.wg.Done()
			defer e.clk.Busy(-1)
			e.sweep()
			if e.ctx.Err() == nil {
				e.clk.AfterFunc(sweepEvery, sweep)
			}
		}()
	}
	t := e.clk.AfterFunc(sweepEvery, sweep)
	context.AfterFunc(e.ctx, func() { t.Stop() })
}

const sweepEvery = time.Hour

func (e *Engine) sweep() {
	cfg, now := e.Config(), e.clk.Now()
	if _, err := e.store.Sweep(e.ctx, now, store.Keep{Calls: cfg.Keep.Calls, Timelines: cfg.Keep.Timelines}); err != nil && e.ctx.Err() == nil {
		e.log.Error("engine: sweep the store", "err", err)
	}
	if _, err := e.flows.Sweep(e.ctx, now, cfg.Keep.Calls); err != nil && e.ctx.Err() == nil {
		e.log.Error("engine: sweep the flows", "err", err)
	}
	if _, err := e.outbox.Sweep(e.ctx, now, cfg.Keep.Outbox); err != nil && e.ctx.Err() == nil {
		e.log.Error("engine: sweep the outbox", "err", err)
	}
	if err := e.audit.sweep(e.ctx, now, cfg.Keep.Audit); err != nil && e.ctx.Err() == nil {
		e.log.Error("engine: sweep the audit log", "err", err)
	}
	e.record.sweep(now, cfg.Recordings.Keep)
	e.tallies.sweep(now)
	if err := e.campaigns.sweep(now, cfg.Keep.Contacts); err != nil && e.ctx.Err() == nil {
		e.log.Error("engine: sweep the campaigns", "err", err)
	}
}
