package speech

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

func TestCache(t *testing.T) {
	v := &voice{name: "v"}
	dir := t.TempDir()
	s := speakerAt(t, Options{Dir: dir, Chain: []Synthesizer{v}})
	first := say(t, s, "раз  два\n")
	if again := say(t, s, " раз два"); !again.Cached || again.Path != first.Path || v.times() != 1 {
		t.Fatalf("%+v after %d times", again, v.times())
	}
	for i, u := range []Utterance{{Text: "раз два", Language: "en"}, {Text: "раз два", Language: "ru-RU", Voice: "x"}, {Text: "раз, два", Language: "ru-RU"}} {
		if _, err := s.Render(context.Background(), u); err != nil || v.times() != i+2 {
			t.Fatalf("%+v: %v, %d times", u, err, v.times())
		}
	}
	must(t, os.WriteFile(filepath.Join(filepath.Dir(first.Path), "x"+tempExt), []byte("half"), 0o600))
	s = speakerAt(t, Options{Dir: dir, Chain: []Synthesizer{v}}) // after a restart
	if again := say(t, s, "раз два"); !again.Cached || again.Duration != first.Duration || v.times() != 4 {
		t.Fatalf("%+v after %d times", again, v.times())
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*", "*"+tempExt)); len(left) != 0 {
		t.Fatalf("%v is left", left)
	}
	if st := s.Stats(); st.Files != 4 || st.Hits != 1 {
		t.Fatalf("%+v", st)
	}
}

// TestCacheDamage changes files behind the cache's back, also over a restart.
func TestCacheDamage(t *testing.T) {
	zeros := func(path string) error {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, make([]byte, len(b)), 0o600)
	}
	for name, damage := range map[string]func(path string) error{
		"gone": os.Remove, "empty": func(p string) error { return os.Truncate(p, 0) }, "cut": func(p string) error { return os.Truncate(p, 60) }, "zeros": zeros,
	} {
		v, dir := &voice{name: "v"}, t.TempDir()
		s := speakerAt(t, Options{Dir: dir, Chain: []Synthesizer{v}})
		clip := say(t, s, "раз")
		must(t, damage(clip.Path))
		if name == "zeros" { // only a power cut does that
			s = speakerAt(t, Options{Dir: dir, Chain: []Synthesizer{v}})
		}
		if again := say(t, s, "раз"); again.Cached || v.times() != 2 {
			t.Errorf("%s: %+v after %d times", name, again, v.times())
		}
		if st := s.Stats(); st.Files != 1 {
			t.Errorf("%s: %+v", name, st)
		}
	}
}

func TestCacheLimit(t *testing.T) {
	clk, v, dir := virtual(), &voice{name: "v"}, t.TempDir()
	o := Options{Dir: dir, Chain: []Synthesizer{v}, Clock: clk, MaxBytes: 10_000}
	s := speakerAt(t, o)
	word := func(i int) string { return fmt.Sprintf("%0100d", i) } // 1,644 bytes each
	for i := range 6 {
		say(t, s, word(i))
		clk.Advance(2 * time.Minute)
	}
	say(t, s, word(0)) // used again, so 1 is the oldest
	clk.Advance(2 * time.Minute)
	say(t, s, word(6))
	if st := s.Stats(); st.Files != 6 || st.Bytes > o.MaxBytes || st.Evicted != 1 {
		t.Fatalf("%+v", st)
	}
	before := v.times()
	for i, cached := range []bool{true, false} {
		if clip := say(t, s, word(i)); clip.Cached != cached {
			t.Errorf("%d: %+v", i, clip)
		}
	}
	if v.times() != before+1 {
		t.Error("wrong ones were evicted")
	}
	for i := 10; i < 40; i++ { // all within the grace, and still bounded
		say(t, s, word(i))
	}
	if st := s.Stats(); st.Bytes > 2*o.MaxBytes || st.Files < 7 {
		t.Fatalf("%+v", st)
	}
	o.MaxBytes = 5_000
	clk.Advance(time.Hour)
	if st := speakerAt(t, o).Stats(); st.Bytes > 5_000 || st.Files != 3 {
		t.Fatalf("a smaller limit after a restart: %+v", st)
	}
}

func TestSingleFlight(t *testing.T) {
	gate := make(chan struct{})
	v := &voice{name: "v", say: func(context.Context, Utterance) ([]byte, error) {
		<-gate
		return wrapPCM(make([]byte, 1600), 8000), nil
	}}
	s := speaker(t, v)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, err := s.Render(context.Background(), Utterance{Text: "раз"}); err != nil {
				t.Error(err)
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	left := make(chan error)
	go func() { _, err := s.Render(ctx, Utterance{Text: "раз"}); left <- err }()
	eventually(t, "all wait for one", func() bool {
		s.flights.mu.Lock()
		defer s.flights.mu.Unlock()
		for _, f := range s.flights.all {
			return f.waiters == 101
		}
		return false
	})
	cancel() // one who leaves takes nobody with him
	if err := <-left; fault.CodeOf(err) != fault.Media || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(gate)
	wg.Wait()
	if v.times() != 1 || s.Stats().Renders != 1 || s.Stats().Flights != 0 {
		t.Fatalf("%d times, %+v", v.times(), s.Stats())
	}
}

func TestFallback(t *testing.T) {
	broken := errors.New("boom")
	clk := virtual()
	a := &voice{name: "a", say: func(context.Context, Utterance) ([]byte, error) { return nil, broken }}
	russian := &voice{name: "r", say: func(_ context.Context, u Utterance) ([]byte, error) {
		if u.Language != "ru-RU" {
			return nil, ErrLanguage
		}
		return []byte("noise"), nil
	}}
	c := &voice{name: "c"}
	s := speakerAt(t, Options{Dir: t.TempDir(), Chain: []Synthesizer{a, russian, c}, Clock: clk})
	for i := range downAfter {
		if clip := say(t, s, fmt.Sprint("раз", i)); clip.Driver != "c" {
			t.Fatalf("%+v", clip)
		}
	}
	if clip := say(t, s, "раз0"); !clip.Cached || clip.Driver != "c" || a.times() != downAfter {
		t.Fatalf("%+v; a was asked %d times", clip, a.times()) // it is down by now
	}
	say(t, s, "четыре")
	if a.times() != downAfter || russian.times() != downAfter {
		t.Fatalf("engines that are down were asked: %d %d", a.times(), russian.times())
	}
	c.say = a.say
	_, err := s.Render(context.Background(), Utterance{Text: "пять", Language: "ru-RU"})
	if fault.CodeOf(err) != fault.Media || fault.HintOf(err) == "" {
		t.Fatal(err)
	}
	for _, part := range []string{"a: boom", "r: the output is no WAV file", "c: boom"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %q", err, part)
		}
	}
	if a.times() != downAfter+1 {
		t.Error("with nothing else left the engines that are down are asked, too")
	}
	clk.Advance(downFor)
	a.say = nil
	if clip := say(t, s, "шесть"); clip.Driver != "a" {
		t.Fatalf("%+v", clip)
	}
	if st := s.Stats(); st.Fallbacks != downAfter+1 || st.Failures == 0 {
		t.Fatalf("%+v", st)
	}
}

// TestOtherLanguage passes an engine over that does not speak the language,
// without holding it against it.
func TestOtherLanguage(t *testing.T) {
	russian := &voice{name: "r", say: func(context.Context, Utterance) ([]byte, error) { return nil, ErrLanguage }}
	s := speaker(t, russian, &voice{name: "c"})
	for i := range downAfter + 2 {
		if clip := say(t, s, fmt.Sprint(i)); clip.Driver != "c" {
			t.Fatalf("%+v", clip)
		}
	}
	if st := s.Stats(); russian.times() != downAfter+2 || st.Failures != 0 || st.Fallbacks != 0 {
		t.Fatalf("%+v", st)
	}
	_, err := speaker(t, russian).Render(context.Background(), Utterance{Text: "a"})
	if !strings.Contains(fmt.Sprint(err), "r: does not speak the language") {
		t.Fatal(err)
	}
}

func TestNoEngine(t *testing.T) {
	_, err := speaker(t).Render(context.Background(), Utterance{Text: "да"})
	if fault.CodeOf(err) != fault.Media || !strings.Contains(fault.HintOf(err), "apt install espeak-ng") {
		t.Fatalf("%v %s", err, fault.HintOf(err))
	}
}

// TestTimeout gives up an engine on the injected clock and asks the next.
func TestTimeout(t *testing.T) {
	clk := virtual()
	waiting := make(chan struct{}, 1)
	slow := &voice{name: "slow", say: func(ctx context.Context, _ Utterance) ([]byte, error) {
		clk.Busy(-1)
		waiting <- struct{}{}
		<-ctx.Done()
		clk.Busy(1)
		return nil, ctx.Err()
	}}
	s := speakerAt(t, Options{Dir: t.TempDir(), Chain: []Synthesizer{slow, &voice{name: "next"}}, Clock: clk})
	got := make(chan Clip, 1)
	go func() { got <- say(t, s, "раз") }()
	<-waiting
	clk.Advance(Timeout - 1)
	if s.Stats().Failures != 0 {
		t.Fatal("given up early")
	}
	clk.Advance(1)
	if clip := <-got; clip.Driver != "next" {
		t.Fatalf("%+v", clip)
	}
}

func TestParallelLimit(t *testing.T) {
	var running, most atomic.Int64
	gate := make(chan struct{})
	v := &voice{name: "v", say: func(context.Context, Utterance) ([]byte, error) {
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-gate
		return wrapPCM(make([]byte, 160), 8000), nil
	}}
	s := speaker(t, v)
	var wg sync.WaitGroup
	for i := range MaxFlights {
		wg.Go(func() {
			if _, err := s.Render(context.Background(), Utterance{Text: fmt.Sprint(i)}); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "all under way", func() bool { return s.Stats().Flights == MaxFlights && running.Load() == int64(MaxParallel()) })
	if _, err := s.Render(context.Background(), Utterance{Text: "one more"}); fault.CodeOf(err) != fault.Limit {
		t.Error(err)
	}
	close(gate)
	wg.Wait()
	if most.Load() != int64(MaxParallel()) || s.Stats().Refused != 1 {
		t.Fatalf("%d at once, %+v", most.Load(), s.Stats())
	}
}

func TestRenderAll(t *testing.T) {
	before := runtime.NumGoroutine()
	v := &voice{name: "v", say: func(_ context.Context, u Utterance) ([]byte, error) {
		if u.Text == "13" {
			return nil, errors.New("unlucky")
		}
		return wrapPCM(make([]byte, 16*len(u.Text)), 8000), nil
	}}
	s := speaker(t, v)
	us := make([]Utterance, 50)
	for i := range us {
		us[i] = Utterance{Text: fmt.Sprint(i)}
	}
	us[20].Text = " "
	clips, err := s.RenderAll(context.Background(), us)
	if fault.CodeOf(err) != fault.Media || !strings.Contains(err.Error(), "unlucky") || !strings.Contains(err.Error(), "empty") {
		t.Fatal(err)
	}
	for i, c := range clips {
		if (c.Path == "") != (i == 13 || i == 20) {
			t.Errorf("%d: %+v", i, c)
		}
	}
	if again, err := s.RenderAll(context.Background(), us[:10]); err != nil || !again[9].Cached {
		t.Fatal(again, err)
	}
	eventually(t, "no goroutine stays", func() bool { return runtime.NumGoroutine() <= before })
}

// TestFullCache goes on, with an error, when clips cannot be stored.
func TestFullCache(t *testing.T) {
	dir := t.TempDir()
	s := speakerAt(t, Options{Dir: dir, Chain: []Synthesizer{&voice{name: "v"}}})
	must(t, os.RemoveAll(dir))
	must(t, os.WriteFile(dir, nil, 0o600))
	if _, err := s.Render(context.Background(), Utterance{Text: "да"}); fault.CodeOf(err) != fault.Media || !strings.Contains(err.Error(), "cache") {
		t.Fatal(err)
	}
	if _, err := New(Options{Dir: dir}); fault.CodeOf(err) != fault.Denied {
		t.Fatal(err)
	}
}
