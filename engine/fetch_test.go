package engine

import (
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
)

func TestScriptFetches(t *testing.T) {
	hold := make(chan struct{})
	var inside sync.WaitGroup
	inside.Add(3)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside.Done(); <-hold }))
	defer s.Close()
	e := &Engine{}
	cfg := parse(t, "limits: {script_fetches: 2, fetch_body: 1KB}")
	if err := e.openFetchers(cfg); err != nil {
		t.Fatal(err)
	}
	local := []string{"127.0.0.1"}
	a, b := scriptHTTP{&e.fetchers, "a", local}, scriptHTTP{&e.fetchers, "b", local}
	var done sync.WaitGroup
	for _, h := range []scriptHTTP{a, a, b} { // another script has its own room
		done.Go(func() {
			if _, err := h.Do(context.Background(), netx.Request{Method: "GET", URL: s.URL}); err != nil {
				t.Error(err)
			}
		})
	}
	inside.Wait()
	_, err := a.Do(context.Background(), netx.Request{Method: "GET", URL: s.URL})
	if fault.CodeOf(err) != fault.Limit || !strings.Contains(err.Error(), "script_fetches") || e.fetchers.Refused.Load() != 1 {
		t.Fatalf("at the limit: %v, %d counted", err, e.fetchers.Refused.Load())
	}
	close(hold)
	done.Wait()
	if len(e.fetchers.running) != 0 {
		t.Errorf("still counted: %v", e.fetchers.running)
	}
	inside.Add(1)
	if _, err := a.Do(context.Background(), netx.Request{Method: "GET", URL: s.URL}); err != nil {
		t.Error(err)
	}
	if _, err := a.Do(context.Background(), netx.Request{Method: "POST", URL: s.URL, Body: make([]byte, 1025)}); fault.CodeOf(err) != fault.Limit {
		t.Errorf("a long body: %v", err)
	}
}

// TestMaxPools: connections of one list of hosts never serve another, and the
// lists are bounded.
func TestMaxPools(t *testing.T) {
	e := &Engine{}
	if err := e.openFetchers(parse(t, "")); err != nil {
		t.Fatal(err)
	}
	f := &e.fetchers
	first, none := f.of([]string{"a", "b"}), f.of(nil)
	if f.of([]string{"a", "b"}) != first || f.of([]string{"b"}) == first || none == first {
		t.Fatal("pools are mixed up")
	}
	for i := range maxPools + 10 {
		f.of([]string{fmt.Sprint(i)})
		f.of(nil) // in use all the time
	}
	if len(f.pools) != maxPools || f.of(nil) != none || f.of([]string{"a", "b"}) == first || f.Evicted.Load() < 12 {
		t.Errorf("%d pools, %d evicted", len(f.pools), f.Evicted.Load())
	}
}

func TestHTTPClientOfTheConfiguration(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	defer s.Close()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("ca.pem", pemOf(s.Certificate().Raw))
	load := func(yaml string) *config.Config {
		t.Helper()
		write("loopstart.yaml", yaml)
		cfg, err := config.Load(filepath.Join(dir, "loopstart.yaml"), config.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	e := &Engine{}
	get := func() error {
		_, err := e.fetchers.of([]string{"127.0.0.1"}).Do(context.Background(), netx.Request{Method: "GET", URL: s.URL})
		return err
	}
	if err := e.openFetchers(load("")); err != nil {
		t.Fatal(err)
	}
	if err := get(); fault.CodeOf(err) != fault.Network {
		t.Fatalf("an authority nobody knows: %v", err)
	}
	if err := e.openFetchers(load("http_client: {ca: [ca.pem]}")); err != nil {
		t.Fatal(err)
	}
	if err := get(); err != nil {
		t.Fatal(err)
	}
	// A configuration whose files are wrong does not come into force.
	bad := load("http_client: {clients: [{hosts: [127.0.0.1], cert: none.pem, key: none.key}]}")
	if err := e.openFetchers(bad); fault.ExitOf(err) != fault.ExitConfig {
		t.Fatalf("%v", err)
	}
	if err := get(); err != nil {
		t.Fatalf("what was in force is gone: %v", err)
	}
}

func pemOf(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
