package testrun

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/engine"
)

// TestAsTest writes tests from the calls of tests and runs them: each passes,
// and its call is of the same kind.
func TestAsTest(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Moscow")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/project")); err != nil {
		t.Fatal(err)
	}
	r, err := Run(context.Background(), Options{Config: load(t, dir), All: true})
	if err != nil || r.Failed > 0 {
		t.Fatal(err, show(r))
	}
	old, _ := filepath.Glob(dir + "/scripts/*.test.ts")
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	written := 0
	for _, f := range r.Files {
		for _, res := range f.Tests {
			for i, c := range res.Calls {
				// What an answer said does not stand in a timeline, and of a crowd
				// each call stands alone.
				if f.Name != "verbs.test.ts" && !strings.HasPrefix(res.Name, "an hour of silence") || c.Record == nil {
					continue
				}
				name := strings.NewReplacer(" ", "-", ",", "").Replace(res.Name) + itoa(i) + ".test.ts"
				text := AsTest(*c.Record, c.Timeline, zone)
				text = strings.ReplaceAll(text, "reply(200, {})", "reply(200)") // what authors do
				if err := os.WriteFile(filepath.Join(dir, "scripts", name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				written++
			}
		}
	}
	again, err := Run(context.Background(), Options{Config: load(t, dir)})
	if err != nil {
		t.Fatal(err)
	}
	// Who has no phone, and what callers say, does not stand in a timeline.
	unknown := map[string]bool{"nobody-busy-refused3.test.ts": true, "a-caller-speaks-a-sound-file0.test.ts": true}
	for _, f := range again.Files {
		if failed := f.Error != nil || f.Tests[0].State != "passed"; failed != unknown[f.Name] {
			t.Errorf("%s: failed: %v\n%s", f.Name, failed, show(&Report{Files: []File{f}}))
		}
	}
	if written < 10 || written != len(again.Files) {
		t.Errorf("%d written, %d run", written, len(again.Files))
	}
}

// TestAsTestText holds a written test against what is expected of a call with
// everything in it.
func TestAsTestText(t *testing.T) {
	at := time.Date(2026, 11, 20, 15, 30, 0, 0, time.UTC)
	e := func(ms int64, leg, kind, detail string) engine.Entry {
		return engine.Entry{AtMs: ms, Leg: leg, Kind: kind, Detail: detail}
	}
	r := engine.Record{ID: "x.1", Script: "shop", Direction: "inbound", From: "+79161112233", To: "+74951234567", Trunk: "main", StartedAt: at,
		Outcome: "talked", Result: []byte(`{"a":1}`), Tags: map[string]string{"b": "c"}, Data: []byte(`{"route":1}`)}
	got := AsTest(r, []engine.Entry{
		e(0, "a", "state", "answered"),
		e(100, "", "http", "GET https://crm.example.ru/a → 503, 20 ms"),
		e(900, "", "http", "GET https://crm.example.ru/a → 200, 700 ms"),
		e(950, "", "http", "POST https://crm.example.ru/b: connection refused"),
		e(960, "", "webhook", "stored for https://crm.example.ru/hook"),
		e(1000, "a", "prompt", `start "Здравствуйте! Ваш номер [digits 12] Нажмите один"`),
		e(3000, "a", "digit", "1 (rtp)"),
		e(3020, "a", "prompt", `end "Здравствуйте! Ваш номер [digits 12] Нажмите один": 50%, 2000 ms`),
		e(3100, "a", "prompt", `start "Введите пароль"`),
		e(5000, "a", "prompt", `end "Введите пароль": 100%, 1900 ms`),
		e(7000, "a", "digit", "• (rtp)"),
		e(7500, "a", "digit", "• (rtp)"),
		e(8000, "b", "state", "dialling 101"),
		e(9000, "b", "state", "ended by the other side, 486 Busy"),
		e(9500, "c", "state", "dialling 101"),
		e(9600, "d", "state", "dialling +79160000003 through main"),
		e(12500, "c", "state", "answered"),
		e(12510, "d", "state", "ended by us, 487 cancelled"),
		e(12600, "a", "state", "bridged with c"),
		e(20000, "a", "state", "held by the other side"),
		e(25000, "c", "state", "ended by the other side, bye"),
		e(25100, "a", "prompt", `start "<bye.wav>"`),
		e(26000, "a", "prompt", `end "<bye.wav>": 100%, 900 ms`),
		e(27000, "a", "state", "ended by the other side, bye"),
	}, time.UTC)
	want, err := os.ReadFile("testdata/astest.txt")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile("testdata/astest.txt", []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err != nil || got != string(want) {
		t.Errorf("%v\n%s\nUPDATE=1 writes it anew", err, got)
	}
}
