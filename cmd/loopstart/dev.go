package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/fault"
)

var devVerb = verb{
	name: "dev", args: "[dir] [--lan] [--live [TRUNK]] [--trace [SCRIPT]] [--demo SCRIPT]", summary: "serve a project on loopback while you write it",
	details: "Watches the scripts, prints every call, and harms nobody: it registers no trunk, dials through none and delivers to no other\n" +
		"host; it shows what it would have done. --live lifts that for one trunk. --lan also listens on the local network, for a\n" +
		"softphone with a made-up login. --demo calls a script once when all is up. --trace shows each await of the scripts, or of one:\n" +
		"its line, what it gave, and the variables.\n\n" +
		"On a terminal there are hot keys:\n\n" +
		"  c   call a script: what it says appears as text, 0-9 * # are keys of the phone, h hangs up\n" +
		"  t   run the tests\n" +
		"  s   step tracing on or off, as --trace\n" +
		"  r   read the configuration and build the scripts again; a restart where addresses or folders have changed\n" +
		"  q   quit, as Ctrl-C",
	run: runDev,
}

// devFlags are the options of dev.
type devFlags struct {
	dir  string
	lan  bool
	live optional
	demo string
	// trace shows each await; its value is the script, "" for all.
	trace optional
}

// optional is an option that may stand without its value.
type optional struct {
	set   bool
	value string
}

// String implements flag.Value.
func (o *optional) String() string { return o.value }

// IsBoolFlag lets the option stand alone.
func (o *optional) IsBoolFlag() bool { return true }

// Set implements flag.Value.
func (o *optional) Set(s string) error {
	if o.set = true; s != "true" {
		o.value = s
	}
	return nil
}

func parseDev(args []string) (o devFlags, err error) {
	fs := flags("dev")
	fs.BoolVar(&o.lan, "lan", false, "listen on the local network too")
	fs.Var(&o.live, "live", "trunk that may be used for real")
	fs.StringVar(&o.demo, "demo", "", "script to call once")
	fs.Var(&o.trace, "trace", "script whose awaits are shown")
	rest, err := parse(fs, args, 3)
	for _, a := range rest {
		// "--live mango" and "--trace hello" leave the name behind as an
		// argument.
		info, serr := os.Stat(a)
		switch {
		case o.dir == "" && serr == nil && info.IsDir():
			o.dir = a
		case o.live.set && o.live.value == "":
			o.live.value = a
		case o.trace.set && o.trace.value == "":
			o.trace.value = a
		default:
			o.dir = a
		}
	}
	return o, err
}

func runDev(ctx context.Context, m *Main, args []string) error {
	o, err := parseDev(args)
	if err != nil {
		return err
	}
	d := &desk{m: m, o: o, steps: o.trace.set}
	defer d.close()
	if err := d.open(ctx, nil); err != nil {
		return err
	}
	if o.demo != "" {
		m.demo(ctx, d.in, o.demo)
	}
	d.term, _ = m.openTerminal()
	return d.serve(ctx)
}

// liveTrunk is the trunk that --live names, or the only one there is.
func liveTrunk(cfg *config.Config, o optional) (string, error) {
	switch {
	case !o.set:
		return "", nil
	case o.value == "" && len(cfg.Trunks) == 1:
		return cfg.Trunks[0].Name, nil
	}
	var names []string
	for _, t := range cfg.Trunks {
		if t.Name == o.value {
			return o.value, nil
		}
		names = append(names, t.Name)
	}
	e := fault.New(fault.NotFound, "--live: no trunk %q", o.value).WithExit(fault.ExitUsage)
	if len(names) == 0 {
		return "", e.WithHint("there are no trunks in %s", config.FileName)
	}
	return "", e.WithHint("trunks are %s", strings.Join(names, ", "))
}

// devConfig is a configuration as dev runs it.
type devConfig struct {
	*config.Config
	file      *config.Config    // as the file has it
	overrides map[string]string // of the file, for loopback
	phone     config.Secret     // password of --lan
}

// loadDev reads the configuration with everything on loopback, and on the
// local network with --lan. The ports are those of the file, or free ones when
// they are taken; after a reload they are those of before.
func (m *Main) loadDev(d devFlags, before *devConfig) (*devConfig, error) {
	o := config.Options{Dev: true}
	if d.live.set {
		o.Live = []string{"*"}
	}
	file, err := m.load(d.dir, o)
	if err != nil {
		return nil, err
	}
	c := &devConfig{file: file, phone: config.Secret(newToken()[:12])}
	if before == nil {
		c.overrides = devOverrides(file, d.lan)
	} else {
		c.overrides, c.phone = before.overrides, before.phone
	}
	o.Overrides = c.overrides
	if c.Config, err = m.load(d.dir, o); err == nil && d.lan {
		c.SIP.Users = append(c.SIP.Users, config.User{Name: lanUser, Password: c.phone, MaxCalls: 4, Dial: []string{"users"}})
	}
	return c, err
}

func devOverrides(cfg *config.Config, lan bool) map[string]string {
	host := "127.0.0.1"
	o := map[string]string{"http.listen": "127.0.0.1:" + strconv.Itoa(int(cfg.HTTP.Listen.Port()))}
	if lan {
		host = "0.0.0.0"
	} else {
		o["sip.advertise"] = "127.0.0.1"
	}
	o["sip.listen"] = listeners(cfg, host)
	if taken("tcp", o["http.listen"]) {
		o["http.listen"] = "127.0.0.1:0"
	}
	return o
}

// lanUser is the made-up account of --lan.
const lanUser = "phone"

// listeners is sip.listen with every address on host.
func listeners(cfg *config.Config, host string) string {
	var out []string
	for _, l := range cfg.SIP.Listen {
		if l.Transport != "udp" && l.Transport != "tcp" {
			continue
		}
		addr := host + ":" + strconv.Itoa(int(l.Addr.Port()))
		if taken(l.Transport, addr) {
			addr = host + ":" + freePort()
		}
		out = append(out, l.Transport+"://"+addr)
	}
	if len(out) == 0 {
		out = []string{"udp://" + host + ":5060"}
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

func (m *Main) welcome(in *instance, cfg *config.Config, o devFlags, live string) {
	m.progress("%s is up: SIP %s, API http://%s", m.paint("1", "loopstart dev"), in.SIP, in.HTTP)
	m.progress("  scripts in %s are watched; save one and the next call runs it", relative(in.ScriptsDir()))
	if name := tryName(in); name != "" {
		m.progress("  try: loopstart call %s%s", name, m.dirFlag(cfg))
	}
	m.progress("  API token: %s", in.Token)
	if o.lan {
		if u, ok := cfg.User(lanUser); ok {
			m.progress("  softphone: user %s, password %s, server: this machine's address, port of SIP above; call a script by its name", u.Name, u.Password.Reveal())
		}
	}
	if live != "" {
		m.progress("  %s", m.paint("31;1", "LIVE: calls through trunk "+live+" are real"))
		return
	}
	m.progress("  no trunk is used and nothing is delivered to other hosts; Ctrl-C ends it")
}

// tryName is the script that a newcomer calls first, "" if there is none.
func tryName(in *instance) string {
	names, err := newClient(in.running).scripts()
	if err != nil || len(names) == 0 {
		return ""
	}
	if slices.Contains(names, "hello") {
		return "hello"
	}
	return names[0]
}

// dirFlag is the -C that another terminal needs to find this project.
func (m *Main) dirFlag(cfg *config.Config) string {
	here, err := os.Getwd()
	dir, derr := filepath.Abs(cfg.Dir)
	if err != nil || derr != nil || here == dir {
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
		Target: "sip:" + script + "@" + in.SIP, Script: script, From: "caller", Keys: ",1", Log: m.logger("text", "error"),
	})
	if err != nil {
		m.fail(err)
	}
}

// showScript tells of a saved script what the log does not.
func (m *Main) showScript(ch engine.Change) {
	if ch.Kind == engine.Swapped {
		for _, w := range ch.Warnings {
			m.progress("%s %s", m.paint("33", "warning:"), w)
		}
	}
}

// showCall prints the timeline of a finished call. Of the script's errors only
// what happened and where: the log above it has the source lines and the hint.
func (m *Main) showCall(r engine.Record, line []engine.Entry) {
	fmt.Fprintf(m.Stderr, "\n%s %s %s → %s\n", m.paint("1", "call "+r.ID), r.Script, r.From, r.To)
	line = slices.Clone(line)
	for i := range line {
		if line[i].Kind == "error" {
			line[i].Detail = headline(line[i].Detail)
		}
	}
	printTimeline(m.Stderr, line, m.paint)
	fmt.Fprintf(m.Stderr, "  %s\n\n", summary(r))
}
