package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/engine"
)

var devVerb = verb{
	name: "dev", args: "[dir] [--live [TRUNK]] [--demo SCRIPT]", summary: "serve a project on loopback while you write it",
	details: "Watches the scripts, prints every call, and harms nobody: it registers no trunk, dials through none and delivers to no other\n" +
		"host; it shows what it would have done. --live lifts that for one trunk. --demo calls a script once when all is up.",
	run: runDev,
}

func runDev(ctx context.Context, m *Main, args []string) error {
	fs := flags("dev")
	live := fs.String("live", "", "trunk that may be used for real")
	demo := fs.String("demo", "", "script to call once")
	rest, err := parse(fs, args, 1)
	if err != nil {
		return err
	}
	dir := ""
	if len(rest) == 1 {
		dir = rest[0]
	}
	cfg, err := m.loadDev(dir, *live)
	if err != nil {
		return err
	}
	log := m.logger("text", cfg.Log.Level)
	in, err := start(ctx, cfg, engine.Options{
		Dev: true, Live: *live, OnScript: m.showScript,
		OnEnded: func(r engine.Record, line []engine.Entry) { m.showCall(r, line) },
	}, log)
	if err != nil {
		return err
	}
	defer in.close()
	m.welcome(in, cfg)
	if *demo != "" {
		m.demo(ctx, in, *demo)
	}
	for {
		select {
		case s := <-m.Signals:
			if s == syscall.SIGHUP {
				continue
			}
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// loadDev reads the configuration with everything on loopback. The ports are
// those of the file, or free ones when they are taken and the file does not
// insist.
func (m *Main) loadDev(dir, live string) (*config.Config, error) {
	o := config.Options{Dev: true}
	if live != "" {
		o.Live = []string{live}
	}
	cfg, err := m.load(dir, o)
	if err != nil {
		return nil, err
	}
	o.Overrides = map[string]string{"sip.listen": loopback(cfg), "http.listen": "127.0.0.1:" + strconv.Itoa(int(cfg.HTTP.Listen.Port())), "sip.advertise": "127.0.0.1"}
	if taken("tcp", o.Overrides["http.listen"]) {
		o.Overrides["http.listen"] = "127.0.0.1:0"
	}
	return m.load(dir, o)
}

// loopback is sip.listen with every address on 127.0.0.1.
func loopback(cfg *config.Config) string {
	var out []string
	for _, l := range cfg.SIP.Listen {
		if l.Transport != "udp" && l.Transport != "tcp" {
			continue
		}
		addr := "127.0.0.1:" + strconv.Itoa(int(l.Addr.Port()))
		if taken(l.Transport, addr) {
			addr = "127.0.0.1:" + freePort()
		}
		out = append(out, l.Transport+"://"+addr)
	}
	if len(out) == 0 {
		out = []string{"udp://127.0.0.1:5060"}
	}
	return strings.Join(out, ",")
}

func taken(network, addr string) bool {
	if network == "udp" {
		c, err := net.ListenPacket("udp", addr)
		if err != nil {
			return true
		}
		c.Close()
		return false
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return true
	}
	l.Close()
	return false
}

func (m *Main) welcome(in *instance, cfg *config.Config) {
	m.progress("%s is up: SIP %s, API http://%s", m.paint("1", "loopstart dev"), in.SIP, in.HTTP)
	m.progress("  scripts in %s are watched; save one and the next call runs it", relative(in.ScriptsDir()))
	m.progress("  try: loopstart call hello%s", m.dirFlag(cfg))
	m.progress("  API token: %s", in.Token)
	m.progress("  nothing leaves this machine; Ctrl-C ends it")
}

// dirFlag is the -C that another terminal needs to find this project.
func (m *Main) dirFlag(cfg *config.Config) string {
	if here, err := os.Getwd(); err != nil || here == cfg.Dir {
		return ""
	}
	return " -C " + relative(cfg.Dir)
}

func relative(dir string) string {
	here, err := os.Getwd()
	if err != nil {
		return dir
	}
	if rel, ok := strings.CutPrefix(dir, here+string(os.PathSeparator)); ok {
		return rel
	}
	return dir
}

// demo places one call, so that a newcomer sees what a call looks like.
func (m *Main) demo(ctx context.Context, in *instance, script string) {
	m.progress("\n%s", m.paint("1", "One call to "+script+", from a built-in caller that presses 1 when the prompt ends:"))
	_, err := engine.Call(ctx, engine.CallerOptions{
		Target: "sip:" + script + "@" + in.SIP, From: "caller", Keys: ",1", Log: m.logger("text", "error"),
	})
	if err != nil {
		m.fail(err)
	}
}

func (m *Main) showScript(ch engine.Change) {
	switch ch.Kind {
	case engine.Swapped:
		for _, w := range ch.Warnings {
			m.progress("%s %s", m.paint("33", "warning:"), w)
		}
	case engine.Failed:
		for _, d := range ch.Errors {
			m.progress("%s %s\n%s", m.paint("31;1", "broken:"), d, d.Frame)
			if d.Hint != "" {
				m.progress("  %s", d.Hint)
			}
		}
		if ch.Version != nil {
			m.progress("  calls go on with the last good version")
		}
	}
}

// showCall prints the timeline of a finished call.
func (m *Main) showCall(r engine.Record, line []engine.Entry) {
	fmt.Fprintf(m.Stderr, "\n%s %s %s → %s\n", m.paint("1", "call "+r.ID), r.Script, r.From, r.To)
	printTimeline(m.Stderr, line, m.paint)
	fmt.Fprintf(m.Stderr, "  %s\n\n", summary(r))
}
