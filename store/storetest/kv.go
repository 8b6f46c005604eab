package storetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/store"
)

// KV is the scripts' key-value space.
type KV interface {
	Get(key string) (json.RawMessage, bool, error)
	Set(key string, value json.RawMessage, ttl time.Duration) error
	Delete(key string) (bool, error)
	Increment(key string, by int64, ttl time.Duration) (int64, error)
	CompareAndSet(key string, old, next json.RawMessage, ttl time.Duration) (bool, error)
	List(prefix string, limit int, after string) ([]store.Item, string, error)
}

// RunKV checks the key-value space.
func RunKV(t *testing.T, open func(*testing.T, clock.Clock) KV) {
	for name, f := range map[string]func(*testing.T, KV, *clock.Virtual){
		"values": kvValues, "ttl": kvTTL, "increment": kvIncrement, "compare": kvCompare,
		"list": kvList, "limits": kvLimits, "writers": kvWriters,
	} {
		t.Run(name, func(t *testing.T) {
			clk := clock.NewVirtual(Start)
			f(t, open(t, clk), clk)
		})
	}
}

// holds fails unless key has the value; "" means that it must not exist.
func holds(t *testing.T, s KV, key, want string) {
	t.Helper()
	v, ok, err := s.Get(key)
	if err != nil || ok != (want != "") || string(v) != want {
		t.Fatalf("%s: %q %v %v, want %q", key, v, ok, err, want)
	}
}

func kvValues(t *testing.T, s KV, _ *clock.Virtual) {
	for _, v := range []string{`null`, `0`, `""`, `"приве́т\u0000"`, `[1,2]`, `{"a":{"b":[true]}}`, `12345678901234567890`} {
		check(t, s.Set("k", raw("%s", v), 0))
		holds(t, s, "k", v)
	}
	check(t, s.Set("k", raw(" { \"a\" : 1 }\n"), 0))
	holds(t, s, "k", `{"a":1}`)
	large := `"` + strings.Repeat("я", store.MaxValue/2-1) + `"`
	check(t, s.Set("k", raw("%s", large), 0))
	holds(t, s, "k", large)
	check(t, s.Set("k", raw("1"), 0)) // and nothing of it is left
	holds(t, s, "k", "1")
	if was, err := s.Delete("k"); !was || err != nil {
		t.Fatal(was, err)
	}
	holds(t, s, "k", "")
	if was, err := s.Delete("k"); was || err != nil {
		t.Fatal("deleted twice", err)
	}
}

func kvTTL(t *testing.T, s KV, clk *clock.Virtual) {
	check(t, s.Set("a", raw("1"), time.Minute))
	check(t, s.Set("b", raw("1"), time.Minute))
	check(t, s.Set("b", raw("2"), 0)) // Set without a ttl takes it away
	check(t, s.Set("c", raw("1"), time.Minute))
	if ok, err := s.CompareAndSet("c", raw("1"), raw("2"), 0); !ok || err != nil { // compare-and-set without a ttl keeps it
		t.Fatal(ok, err)
	}
	clk.Advance(time.Minute - time.Millisecond)
	holds(t, s, "a", "1")
	clk.Advance(time.Millisecond)
	holds(t, s, "a", "")
	holds(t, s, "b", "2")
	holds(t, s, "c", "")
	if items, _, err := s.List("", 0, ""); len(items) != 1 || err != nil {
		t.Fatalf("list shows what has expired: %v %v", items, err)
	}
	if was, _ := s.Delete("a"); was {
		t.Fatal("an expired key was there to delete")
	}
	if ok, err := s.CompareAndSet("a", nil, raw("3"), 0); !ok || err != nil {
		t.Fatal("an expired key stands in the way", err)
	}
	clk.Advance(24 * time.Hour)
	holds(t, s, "a", "3")
	if ok, err := s.CompareAndSet("a", raw("3"), raw("4"), time.Minute); !ok || err != nil { // a ttl of its own
		t.Fatal(ok, err)
	}
	clk.Advance(time.Minute - time.Millisecond)
	holds(t, s, "a", "4")
	clk.Advance(time.Millisecond)
	holds(t, s, "a", "")
	if _, err := s.CompareAndSet("a", nil, raw("1"), -1); fault.CodeOf(err) != fault.Invalid {
		t.Fatal("a negative ttl", err)
	}
}

func kvIncrement(t *testing.T, s KV, clk *clock.Virtual) {
	for _, step := range []struct{ by, want int64 }{{1, 1}, {5, 6}, {-10, -4}, {0, -4}} {
		if n, err := s.Increment("n", step.by, time.Minute); n != step.want || err != nil {
			t.Fatalf("by %d: %d %v, want %d", step.by, n, err, step.want)
		}
		clk.Advance(15 * time.Second)
	}
	holds(t, s, "n", "") // the window began with the first increment
	for value, code := range map[string]fault.Code{
		`"1"`: fault.Invalid, `1.5`: fault.Invalid, `null`: fault.Invalid, `[1]`: fault.Invalid, `9007199254740991`: fault.Limit,
	} {
		check(t, s.Set("v", raw("%s", value), 0))
		if _, err := s.Increment("v", 1, 0); fault.CodeOf(err) != code {
			t.Errorf("%s: %v, want %s", value, err, code)
		}
		holds(t, s, "v", value)
	}
	check(t, s.Set("v", raw("2e3"), 0))
	if n, err := s.Increment("v", 1, 0); n != 2001 || err != nil {
		t.Fatal(n, err)
	}
}

func kvCompare(t *testing.T, s KV, _ *clock.Virtual) {
	for i, step := range []struct {
		old, next string
		want      bool
		holds     string
	}{
		{"1", "2", false, ""},
		{"", `{"a":1,"b":[1.0,2]}`, true, `{"a":1,"b":[1.0,2]}`},
		{"", "2", false, `{"a":1,"b":[1.0,2]}`},
		{`{"a":1,"b":[2,1]}`, "2", false, `{"a":1,"b":[1.0,2]}`},
		{` {"b":[1,2.0], "a":1.0} `, "12345678901234567891", true, "12345678901234567891"},
		{"12345678901234567890", "2", false, "12345678901234567891"},
		{"12345678901234567891", "null", true, "null"},
		{"null", "", true, ""},
	} {
		var old, next json.RawMessage
		if step.old != "" {
			old = raw("%s", step.old)
		}
		if step.next != "" {
			next = raw("%s", step.next)
		}
		ok, err := s.CompareAndSet("k", old, next, 0)
		if err != nil || ok != step.want {
			t.Fatalf("step %d: %v %v", i, ok, err)
		}
		holds(t, s, "k", step.holds)
	}
}

func kvList(t *testing.T, s KV, _ *clock.Virtual) {
	var want []string
	for i := range 25 {
		key := fmt.Sprintf("user/%02d", i)
		want = append(want, key)
		check(t, s.Set(key, raw("%d", i), 0))
	}
	check(t, s.Set("user", raw("0"), 0))
	check(t, s.Set("user0", raw("0"), 0))
	var got []string
	for after, pages := "", 0; ; pages++ {
		items, next, err := s.List("user/", 10, after)
		check(t, err)
		for _, it := range items {
			got = append(got, it.Key)
		}
		if next == "" {
			if pages != 2 {
				t.Fatalf("%d pages", pages+1)
			}
			break
		}
		after = next
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%v", got)
	}
	for after, want := range map[string]string{"user/": "user/00", "user/03": "user/04", "user/035": "user/04", "a": "user/00"} {
		items, _, err := s.List("user/", 1, after)
		if err != nil || len(items) != 1 || items[0].Key != want {
			t.Errorf("after %q: %v %v, want %s", after, items, err, want)
		}
	}
	if items, next, err := s.List("user/", 1, "user/24"); len(items) != 0 || next != "" || err != nil {
		t.Fatal(items, next, err)
	}
	if items, next, err := s.List("user/", 25, ""); len(items) != 25 || next != "" || err != nil {
		t.Fatalf("an exact page has %d items and a next of %q, %v", len(items), next, err)
	}
}

func kvLimits(t *testing.T, s KV, _ *clock.Virtual) {
	long := strings.Repeat("k", store.MaxKey)
	check(t, s.Set(long, raw("1"), 0))
	holds(t, s, long, "1")
	full := raw(`"%s"`, strings.Repeat("x", store.MaxValue-2))
	check(t, s.Set("full", full, 0))
	for name, c := range map[string]struct {
		key   string
		value json.RawMessage
		ttl   time.Duration
		code  fault.Code
	}{
		"long key":    {long + "k", raw("1"), 0, fault.Limit},
		"empty key":   {"", raw("1"), 0, fault.Invalid},
		"no UTF-8":    {"a\xff", raw("1"), 0, fault.Invalid},
		"large value": {"k", raw(`"%s"`, strings.Repeat("x", store.MaxValue-1)), 0, fault.Limit},
		"no JSON":     {"k", raw(`{"a":`), 0, fault.Invalid},
		"no value":    {"k", nil, 0, fault.Invalid},
		"past":        {"k", raw("1"), -time.Second, fault.Invalid},
	} {
		if err := s.Set(c.key, c.value, c.ttl); fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	holds(t, s, "k", "")
}

// kvWriters checks that nothing is lost between writers of one key.
func kvWriters(t *testing.T, s KV, _ *clock.Virtual) {
	const writers, each = 8, 25
	check(t, s.Set("cas", raw("0"), 0))
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				if _, err := s.Increment("inc", 1, 0); err != nil {
					t.Error(err)
				}
				for swapped := false; !swapped; {
					v, _, err := s.Get("cas")
					var n int
					if err == nil {
						err = json.Unmarshal(v, &n)
					}
					if err == nil {
						swapped, err = s.CompareAndSet("cas", v, raw("%d", n+1), 0)
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	holds(t, s, "inc", fmt.Sprint(writers*each))
	holds(t, s, "cas", fmt.Sprint(writers*each))
}
