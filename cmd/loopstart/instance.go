package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/fault"
)

// runFile is where a running instance tells the other verbs how to reach it.
// It lies beside the store and is readable by its owner only.
const runFile = "run.json"

// running is the content of the run file.
type running struct {
	PID   int    `json:"pid"`
	HTTP  string `json:"http"`  // host:port
	SIP   string `json:"sip"`   // host:port of the UDP listener
	Token string `json:"token"` // full rights
	Dev   bool   `json:"dev"`
	// Brief is the verb that the instance serves and ends with: "call --to"; ""
	// of run and dev.
	Brief string `json:"brief,omitempty"`
}

// stateDir is where dev keeps its state, and run its store.
func stateDir(cfg *config.Config, dev bool) string {
	switch {
	case dev:
		return filepath.Join(cfg.Dir, ".loopstart")
	case filepath.IsAbs(cfg.Store.Dir):
		return cfg.Store.Dir
	}
	return filepath.Join(cfg.Dir, cfg.Store.Dir)
}

// instance is an engine of this process with its HTTP surface.
type instance struct {
	*engine.Engine
	running
	file string
	stop context.CancelFunc
}

// start builds an engine, serves HTTP, and writes the run file.
func start(ctx context.Context, cfg *config.Config, o engine.Options, log *slog.Logger) (*instance, error) {
	return startFor(ctx, cfg, o, log, "")
}

// startFor starts an instance that ends with a verb.
func startFor(ctx context.Context, cfg *config.Config, o engine.Options, log *slog.Logger, brief string) (*instance, error) {
	o.Log, o.Version = log, version
	if err := children(&o); err != nil {
		return nil, err
	}
	if o.Dev {
		o.State = stateDir(cfg, true)
	}
	ctx, stop := context.WithCancel(ctx)
	tune(ctx)
	e, err := engine.New(cfg, o)
	if err != nil {
		stop()
		return nil, holds(cfg, o.Dev, err)
	}
	in := &instance{Engine: e, stop: stop, file: filepath.Join(stateDir(cfg, o.Dev), runFile)}
	in.PID, in.Dev, in.Token, in.Brief = os.Getpid(), o.Dev, newToken(), brief
	if in.HTTP, err = e.Serve(ctx, cfg.HTTP.Listen.String(), engine.LocalToken(in.Token)); err != nil {
		stop()
		e.Close()
		return nil, err
	}
	in.SIP = e.SIPAddr()
	if err := in.write(); err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

// tune makes room for the pacers: they hold a processor of the scheduler while
// they sleep, so there is one more for each core; and the collector runs
// seldom, since it delays them, as long as there is memory.
func tune(ctx context.Context) {
	setNice(mainNice)
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(2 * runtime.NumCPU())
	}
	limitMemory(ctx)
}

func newToken() string {
	var b [24]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func (in *instance) write() error {
	raw, err := json.MarshalIndent(in.running, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(in.file, append(raw, '\n'), 0o600); err != nil {
		return fault.New(fault.Unavailable, "run file: %w", err)
	}
	return nil
}

// close ends the engine and takes the run file away.
func (in *instance) close() {
	in.stop()
	in.Engine.Close()
	_ = os.Remove(in.file)
}

// holds names the instance that has the store which err could not open.
func holds(cfg *config.Config, dev bool, err error) error {
	if fault.CodeOf(err) != fault.Conflict || fault.ExitOf(err) != fault.ExitStore {
		return err
	}
	r, ok := readRun(cfg, dev)
	switch {
	case !ok:
		return fault.New(fault.Conflict, "%w", err).WithExit(fault.ExitStore).
			WithHint("stop the other loopstart; if none is to be seen, it has just begun or ended: try again")
	case r.Brief != "":
		return fault.New(fault.Conflict, "%w: `loopstart %s` (process %d) runs this project until its call is over", err, r.Brief, r.PID).
			WithExit(fault.ExitStore).WithHint("start again when it has ended")
	}
	return fault.New(fault.Conflict, "%w: loopstart runs here already (process %d, API http://%s)", err, r.PID, r.HTTP).
		WithExit(fault.ExitStore).WithHint("stop the other loopstart, or give this one its own store.dir")
}

// find reads the run file of a project's instance; ok is false when none runs.
func find(cfg *config.Config) (r running, ok bool) {
	for _, dev := range []bool{false, true} {
		if r, ok = readRun(cfg, dev); ok {
			return r, true
		}
	}
	return running{}, false
}

// readRun reads one run file; ok is false unless its instance listens.
func readRun(cfg *config.Config, dev bool) (r running, ok bool) {
	raw, err := os.ReadFile(filepath.Join(stateDir(cfg, dev), runFile))
	if err != nil || json.Unmarshal(raw, &r) != nil || !alive(r) {
		return running{}, false
	}
	return r, true
}

// alive reports whether the instance of a run file still listens.
func alive(r running) bool {
	c, err := net.Dial("tcp", r.HTTP)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// freePort asks the system for a UDP port on loopback.
func freePort() string {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return "0"
	}
	defer c.Close()
	return strconv.Itoa(c.LocalAddr().(*net.UDPAddr).Port)
}
