package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/loopstart/loopstart/engine/sounds"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
	"github.com/loopstart/loopstart/runtime/supervisor"
	"github.com/loopstart/loopstart/scripts"
	"github.com/loopstart/loopstart/speech"
	"github.com/loopstart/loopstart/store"
)

// What the doctor asks for.
const (
	filesPerCall = 2 * legsPerCall // an RTP and an RTCP socket per leg
	spareFiles   = 500             // store, HTTP, workers
	leastDisk    = 200 << 20       // less fails
	goodDisk     = 2 << 30         // less warns
	pacerNice    = 11              // steps above the usual priority that the audio threads ask for
	probeTime    = 15 * time.Second
)

// descriptors judges the limit of open files.
func (d *doctor) descriptors(context.Context) {
	const name = "open files"
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		d.warn(name, "", "%s", err)
		return
	}
	need := uint64(d.cfg.Limits.Calls*filesPerCall + spareFiles)
	if l.Max < need {
		d.warn(name, "ulimit -n, or LimitNOFILE of the service; or lower limits.calls", "%d are allowed; limits.calls %d may need %d", l.Max, d.cfg.Limits.Calls, need)
		return
	}
	d.ok(name, "%d are allowed", l.Max)
}

// priority tries to raise a thread's priority as the audio threads do.
func (d *doctor) priority(context.Context) {
	const name = "priority"
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), -pacerNice)
	}()
	if err := <-done; err != nil {
		d.warn(name, "CAP_SYS_NICE, or LimitNICE=-11 of the service", "audio threads may not go before other programs: calls may stutter on a busy machine")
		return
	}
	d.ok(name, "audio threads may go before other programs")
}

// earliest is before any clock that is right.
var earliest = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// clock judges the machine's time: windows, schedules and signed links are
// wrong with it.
func (d *doctor) clock(context.Context) {
	const name = "clock"
	now := d.Clock.Now()
	local := now.In(d.cfg.Location())
	if now.Before(earliest) {
		d.fail(name, "set the clock and start a time service", "it is %s here", local.Format(time.RFC3339))
		return
	}
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err == nil && state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0 {
		d.warn(name, "timedatectl set-ntp true; in a container the host keeps the time", "%s in %s; no time service says it is right", local.Format("2006-01-02 15:04:05"), d.cfg.Project.Zone)
		return
	}
	d.ok(name, "%s in %s", local.Format("2006-01-02 15:04:05"), d.cfg.Project.Zone)
}

// disk looks at the room for state and recordings.
func (d *doctor) disk(context.Context) {
	d.room("disk", d.State)
	dir := d.cfg.Recordings.Dir
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(d.cfg.Dir, dir)
	}
	if d.cfg.Recordings.Format == "mp3" {
		if _, err := (&recordings{}).encoder("mp3"); err != nil {
			d.warn("recordings", "apt install lame, or format: ogg", "recordings.format is mp3, and neither lame nor ffmpeg is installed: they stay WAV")
		}
	}
	if !sameDisk(existing(dir), existing(d.State)) {
		d.room("disk of recordings", dir)
	}
}

// existing is the nearest folder above that is there.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || filepath.Dir(dir) == dir {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

func sameDisk(a, b string) bool {
	var x, y unix.Stat_t
	return unix.Stat(a, &x) == nil && unix.Stat(b, &y) == nil && x.Dev == y.Dev
}

func (d *doctor) room(name, dir string) {
	var st unix.Statfs_t
	if err := unix.Statfs(existing(dir), &st); err != nil {
		d.warn(name, "", "%s: %s", dir, err)
		return
	}
	free := int64(st.Bavail) * st.Bsize
	switch {
	case free < leastDisk:
		d.fail(name, "free some space; the store stops before the disk is full", "%d MB are free", free>>20)
	case free < goodDisk:
		d.warn(name, "recordings take about 2 MB a minute in stereo", "%d MB are free", free>>20)
	default:
		d.ok(name, "%d GB are free", free>>30)
	}
}

// storage opens the store as run does, and leaves no new folder behind.
func (d *doctor) storage(context.Context) {
	const name = "store"
	if d.Running {
		d.ok(name, "%s is in use by the running loopstart", d.State)
		return
	}
	if _, err := os.Stat(d.State); errors.Is(err, fs.ErrNotExist) {
		if err := unix.Access(existing(d.State), unix.W_OK); err != nil {
			d.fail(name, "give the user that runs loopstart the folder, or set store.dir", "%s cannot be made: %s", d.State, err)
			return
		}
		d.ok(name, "%s will be made at the first start", d.State)
		return
	}
	s, err := store.Open(store.Options{Dir: d.State, Clock: d.Clock, Log: d.Log})
	if err != nil {
		d.broken(name, err)
		return
	}
	if err := s.Close(); err != nil {
		d.broken(name, err)
		return
	}
	d.ok(name, "%s opens", d.State)
}

// words that a speech engine is tried with, by language.
var probeWords = map[string]string{"ru": "Проверка связи.", "en": "One, two, three.", "kk": "Байланысты тексеру."}

// tongue lets the speech engine say something in the project's language.
func (d *doctor) tongue(ctx context.Context) {
	const name = "speech"
	chain, err := speechChain(d.cfg)
	if err != nil {
		d.broken(name, err)
		return
	}
	if len(chain) == 0 {
		d.warn(name, "apt-get install espeak-ng; recorded prompts need no engine", "no speech engine is installed: say and text prompts will fail")
		return
	}
	language := d.cfg.Project.Language
	text := probeWords[sounds.Base(language)]
	if text == "" {
		text = probeWords["en"]
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	began := d.Clock.Now()
	wav, err := chain[0].Synthesize(ctx, speech.Utterance{Text: text, Language: language})
	switch took := clock.Since(d.Clock, began).Round(time.Millisecond); {
	case err != nil:
		d.broken(name, err)
	case len(wav) == 0:
		d.fail(name, "", "%s speaks, but gives no sound", chain[0].Name())
	default:
		d.ok(name, "%s speaks %s, in %s for a short sentence", chain[0].Name(), language, took)
	}
}

// probeScript is built and run in a worker; probeAnswer is what it returns.
const (
	probeScript = "export async function afterCall() { return 6 * 7; }\n"
	probeAnswer = "42"
)

// processes starts the two kinds of child: one that builds a script, and one
// that runs it.
func (d *doctor) processes(ctx context.Context) {
	const name = "script worker"
	began := d.Clock.Now()
	res, err := d.buildProbe(ctx)
	if err == nil {
		err = d.runProbe(ctx, res)
	}
	if err != nil {
		d.broken(name, err)
		return
	}
	d.ok(name, "a script was built and run in %s", clock.Since(d.Clock, began).Round(time.Millisecond))
}

func (d *doctor) buildProbe(ctx context.Context) (res scripts.BuildResult, err error) {
	dir, err := os.MkdirTemp("", "loopstart-doctor-")
	if err != nil {
		return res, fault.New(fault.Unavailable, "no folder for temporary files: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "probe.js"), []byte(probeScript), 0o600); err != nil {
		return res, fault.New(fault.Unavailable, "write a temporary file: %w", err)
	}
	res, err = builder{d.Builder}.Build(ctx, scripts.BuildRequest{Dir: dir, Script: "probe", Entry: "probe.js", Modules: Modules()})
	if err == nil && len(res.Errors) > 0 {
		err = res.Errors[0].Fault()
	}
	return res, err
}

// runProbe runs the probe in a worker of its own.
func (d *doctor) runProbe(ctx context.Context, res scripts.BuildResult) error {
	w, err := supervisor.New(supervisor.Options{Command: d.Worker, Clock: d.Clock, Log: d.Log, Limits: supervisor.Limits{Ready: d.cfg.Limits.ScriptStart}})
	if err != nil {
		return err
	}
	defer w.Close()
	p := d.cfg.Project
	b := message.Bundle{Script: "probe", Version: res.Version, Source: res.Source, Map: res.Map,
		Env: message.Environment{Zone: p.Zone, Country: p.Country, Language: p.Language}}
	ended := make(probe, 1)
	vm, err := w.Start(supervisor.Spec{Script: "probe", Version: res.Version, Bundle: func() message.Bundle { return b },
		Entry: message.Entry{Export: "afterCall", Argument: json.RawMessage("null"), Now: d.Clock.Now()}}, ended)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, vm.Kill)
	defer stop()
	o := <-ended
	switch {
	case o.Error != nil:
		return asFault(o.Error)
	case string(o.Value) != probeAnswer:
		return fault.New(fault.Internal, "the worker answered %s instead of %s", o.Value, probeAnswer)
	}
	return nil
}

// probe waits for the end of the probe script.
type probe chan message.Outcome

// Request implements supervisor.Handler; the probe asks for nothing.
func (probe) Request(*supervisor.Instance, uint32, message.Request) {}

// Update implements supervisor.Handler.
func (probe) Update(message.State) {}

// Done implements supervisor.Handler.
func (p probe) Done(o message.Outcome) { p <- o }
