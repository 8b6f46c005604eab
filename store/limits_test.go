package store

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// TestSizes: what is at a limit passes, one byte more is LIMIT.
func TestSizes(t *testing.T) {
	s := open(t, nil)
	space := s.Space("x")
	text := func(n int) json.RawMessage { return json.RawMessage(`"` + strings.Repeat("x", n-2) + `"`) }
	record := func(key string, doc json.RawMessage) error {
		_, err := row{ID: "r", At: start, Fields: Fields{Key: key}, JSON: doc}.encode()
		return err
	}
	for name, c := range map[string]struct {
		most int
		try  func(n int) error
	}{
		"a key":           {MaxKey, func(n int) error { return s.Set(strings.Repeat("k", n), json.RawMessage("1"), 0) }},
		"a space's key":   {MaxKey, func(n int) error { return space.check([]Op{{Key: strings.Repeat("k", n)}}) }},
		"a row's key":     {MaxKey, func(n int) error { return record(strings.Repeat("k", n), json.RawMessage("{}")) }},
		"a document":      {MaxDocument, func(n int) error { return record("", text(n)) }},
		"a timeline":      {MaxDocument, func(n int) error { return checkTimeline("t", start, text(n)) }},
		"a space's value": {MaxDocument, func(n int) error { return space.check([]Op{{Key: "k", Value: make([]byte, n)}}) }},
		"changes":         {MaxOps, func(n int) error { return space.check(ops(n)) }},
		"a cut value": {maxStored, func(n int) error {
			return s.update(func(t *tx) error { return t.put([]byte("x"), make([]byte, n), 0) })
		}},
	} {
		if err := c.try(c.most); err != nil {
			t.Errorf("%s of %d: %v", name, c.most, err)
		}
		if err := c.try(c.most + 1); fault.CodeOf(err) != fault.Limit {
			t.Errorf("%s of %d: %v", name, c.most+1, err)
		}
	}
}

func ops(n int) (out []Op) {
	for i := range n {
		out = append(out, Op{Key: fmt.Sprint(i)})
	}
	return out
}

func TestCountLimit(t *testing.T) {
	s := open(t, nil)
	if n, err := s.Increment("n", MaxCount, 0); err != nil || n != MaxCount {
		t.Fatal(n, err)
	}
	if _, err := s.Increment("n", 1, 0); fault.CodeOf(err) != fault.Limit {
		t.Fatal(err)
	}
}

// TestGroupLimit: jobs beyond it wait for the next sync.
func TestGroupLimit(t *testing.T) {
	s := &Store{jobs: make(chan *job, 1)}
	s.jobs <- &job{}
	if s.next(MaxGroup, &batch{}) != nil || s.next(MaxGroup-1, &batch{}) == nil {
		t.Error("a group is not so large")
	}
}

// TestIndexLimits: what an index sorts by, and how many tags of a row it has.
func TestIndexLimits(t *testing.T) {
	long := strings.Repeat("v", maxIndexed)
	at, beyond := term{indexKey, long}.prefix(0), term{indexKey, long + "w"}.prefix(0)
	if len(at) != len(beyond) || len(at) == len(term{indexKey, long[1:]}.prefix(0)) {
		t.Errorf("%d and %d bytes", len(at), len(beyond))
	}
	tags := map[string]string{}
	for i := range MaxTags + 1 {
		tags[fmt.Sprint(i)] = "x"
	}
	if n := len((Fields{Key: "k", To: "t", From: "f", Tags: tags}).terms()); n != 3+MaxTags {
		t.Errorf("%d terms", n)
	}
}

// TestScanLimit: a page that finds nothing in so many rows ends and goes on from
// there.
func TestScanLimit(t *testing.T) {
	s := open(t, nil)
	const batch = 500
	for from := 0; from <= MaxScan; from += batch {
		must(t, s.update(func(x *tx) error {
			for i := from; i < from+batch && i <= MaxScan; i++ {
				r := row{ID: fmt.Sprintf("r%05d", i), At: start.Add(time.Duration(i)), Fields: Fields{To: "t", Script: "s"}, JSON: json.RawMessage("{}")}
				if i == 0 { // the oldest, so it is looked at last
					r.Script = "wanted"
				}
				raw, err := r.encode()
				if err != nil {
					return err
				}
				if err := writeRow(x, tableRecords, r, raw); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	q := Query{Fields: Fields{To: "t", Script: "wanted"}}
	list, next, err := s.ListRecords(q)
	if err != nil || len(list) != 0 || next == "" {
		t.Fatalf("%d rows, next %q, %v", len(list), next, err)
	}
	q.Cursor = next
	if list, next, err = s.ListRecords(q); err != nil || len(list) != 1 || next != "" {
		t.Fatalf("%d rows, next %q, %v", len(list), next, err)
	}
}

// TestChecksumLimit: the end of a damaged table announces anything.
func TestChecksumLimit(t *testing.T) {
	for n, asked := range map[uint32]bool{maxChecksum: true, maxChecksum + 1: false} {
		got := false
		_, _ = tableChecksum(func(size int64) ([]byte, error) {
			if size == 4 {
				return binary.BigEndian.AppendUint32(nil, n), nil
			}
			got = size == int64(n)
			return nil, nil
		})
		if got != asked {
			t.Errorf("%d bytes: %t", n, got)
		}
	}
}
