package main

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes this test binary the program loopstart for the scripts, and
// for the children that it starts of itself.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"loopstart": main, "loopstart-panics": panics})
}

// TestScripts runs what a user types; testdata/script/*.txt reads as a shell.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "eventually": eventually, "occupy": occupy, "jsonhas": jsonHas, "project": project,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("NO_COLOR", "")
			examples, err := filepath.Abs("../../examples")
			env.Setenv("EXAMPLES", examples)
			return err
		},
	})
}

// exits N COMMAND… runs a command that has to end with status N.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS command…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := status(ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

func status(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}

// patience is how long something that is being started may take.
const patience = 20 * time.Second

// eventually COMMAND… repeats a command until it succeeds.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	deadline := time.After(patience)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := ts.Exec(args[0], args[1:]...); (err == nil) != neg {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("%v: not within %s", args, patience)
		}
	}
}

// occupy NAME listens on a free TCP port until the script ends, and puts its
// number into the variable NAME.
func occupy(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	ts.Setenv(args[0], strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
}

// jsonhas PATH VALUE looks into the JSON of the last stdout: a.0.b is b of the
// first element of a; the value * is anything.
func jsonHas(ts *testscript.TestScript, neg bool, args []string) {
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
	got := pick(v, strings.Split(args[0], "."))
	if ok := got != "" && (args[1] == "*" || got == args[1]); ok == neg {
		ts.Fatalf("%s is %q", args[0], got)
	}
}

func pick(v any, path []string) string {
	for _, key := range path {
		switch x := v.(type) {
		case map[string]any:
			v = x[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(x) {
				return ""
			}
			v = x[i]
		default:
			return ""
		}
	}
	if s, ok := v.(string); ok || v == nil {
		return s
	}
	raw, _ := json.Marshal(v)
	return string(raw)
}

// project makes a configuration whose ports are free ones, with what stands in
// more.yaml behind it.
func project(ts *testscript.TestScript, _ bool, args []string) {
	text := "sip: {listen: [\"udp://127.0.0.1:0\", \"tcp://127.0.0.1:0\"]}\nhttp: {listen: \"127.0.0.1:0\"}\nproject: {language: en}\n"
	more, err := os.ReadFile(ts.MkAbs("more.yaml"))
	if err == nil {
		text += string(more)
	}
	ts.Check(os.WriteFile(ts.MkAbs("loopstart.yaml"), []byte(text), 0o600))
}
