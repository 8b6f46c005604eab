package engine

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/internal/fault"
)

// TestSoundsFromURLs: one fetch for all who wait, none while the server's copy
// is fresh, a question after that, the old copy when there is no answer.
func TestSoundsFromURLs(t *testing.T) {
	p := serve(t, "", map[string]string{"a.js": `export const config = { permissions: { http: ["127.0.0.1"] } }; export default async () => {};`})
	v, err := p.scripts.Current("a")
	if err != nil {
		t.Fatal(err)
	}
	asks := call.PromptRequest{Script: "a", Version: v.ID}
	p.second(t, "c1").Close()
	wav, err := os.ReadFile(filepath.Join(p.record.dir, "c1.wav"))
	if err != nil {
		t.Fatal(err)
	}
	var asked, questions atomic.Int64
	var broken atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch {
		case broken.Load():
			w.WriteHeader(http.StatusBadGateway)
			return
		case r.URL.Path == "/fresh.wav":
			w.Header().Set("Cache-Control", "public, max-age=3600")
		case r.Header.Get("If-None-Match") == `"1"`:
			questions.Add(1)
			w.WriteHeader(http.StatusNotModified)
			return
		default:
			w.Header().Set("Cache-Control", "no-cache")
			w.Header().Set("ETag", `"1"`)
		}
		_, _ = w.Write(wav)
	}))
	defer s.Close()
	load := func(path string) error {
		audio, err := (*prompts)(p.Engine).url(context.Background(), asks, s.URL+path)
		if err == nil && audio.Duration() != time.Second {
			err = fmt.Errorf("%s of audio", audio.Duration())
		}
		return err
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := load("/fresh.wav"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if asked.Load() != 1 {
		t.Errorf("%d requests for twenty calls", asked.Load())
	}
	for range 3 {
		if err := load("/asked.wav"); err != nil {
			t.Error(err)
		}
	}
	if asked.Load() != 4 || questions.Load() != 2 {
		t.Errorf("%d requests, %d of them questions", asked.Load(), questions.Load())
	}
	broken.Store(true)
	if err := load("/asked.wav"); err != nil || p.sounds.stale.Load() != 1 {
		t.Errorf("the old copy: %v, %d counted", err, p.sounds.stale.Load())
	}
	if err := load("/never.wav"); fault.CodeOf(err) != fault.Media {
		t.Errorf("no copy: %v", err)
	}
	if _, err := (*prompts)(p.Engine).url(context.Background(), asks, "http://localhost:1/x.wav"); fault.CodeOf(err) != fault.Denied {
		t.Errorf("a host that is not allowed: %v", err)
	}
}

// TestSoundsAreBounded: the one that was used longest ago goes.
func TestSoundsAreBounded(t *testing.T) {
	var s remoteSounds
	now := time.Now()
	for i := range maxRemoteSounds + 5 {
		s.find(fmt.Sprint(i), now.Add(time.Duration(i)*time.Second))
	}
	if len(s.kept) != maxRemoteSounds || s.kept["4"] != nil || s.kept["5"] == nil {
		t.Errorf("%d kept", len(s.kept))
	}
	for _, r := range s.kept {
		r.length.Store(int64(10 * time.Minute))
	}
	if s.trim(); len(s.kept) != 6 || s.kept[fmt.Sprint(maxRemoteSounds+4)] == nil {
		t.Errorf("%d of ten minutes kept", len(s.kept))
	}
}

func TestFreshness(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": remoteFresh, "max-age=30": 30 * time.Second, "public, Max-Age=\"5\"": 5 * time.Second, "no-store": 0, "no-cache, max-age=9": 0,
		"max-age=999999999": remoteFreshest, "max-age=-1": 0, "max-age=x": remoteFresh, "max-age=99999999999999999999": remoteFresh,
	} {
		if got := freshness(http.Header{"Cache-Control": {header}}); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}
