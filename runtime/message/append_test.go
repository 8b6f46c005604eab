package message

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

func entries() []Entry {
	at := time.Date(2026, 11, 22, 9, 30, 0, 120e6, time.UTC)
	return []Entry{
		{Script: "shop", Version: "1a", Export: "default", Argument: json.RawMessage(`{"a":"}","b":[1,2]}`), Now: at},
		{Script: `quoted " and \ and`, Version: "магазин", Export: "\n", Argument: json.RawMessage(`null`), Now: at.In(time.FixedZone("", 3*3600))},
		{Argument: json.RawMessage(`"},\"argument\":5"`)},
	}
}

// AppendEntry writes what encoding/json reads as the same, and ReadEntry reads
// what either of them has written.
func TestEntry(t *testing.T) {
	for _, e := range entries() {
		body := AppendEntry(nil, e)
		var plain Entry
		if err := json.Unmarshal(body, &plain); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		whole, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, written := range []json.RawMessage{body, whole} {
			got, err := ReadEntry(Frame{Kind: Start, Body: written})
			if err != nil || !got.Now.Equal(e.Now) {
				t.Errorf("%s: %v %v", written, got.Now, err)
			}
			got.Now, plain.Now = time.Time{}, time.Time{}
			if !reflect.DeepEqual(got, plain) {
				t.Errorf("%s: %+v, want %+v", written, got, plain)
			}
		}
	}
	if got, err := ReadEntry(Frame{Kind: Start, Body: AppendEntry(nil, Entry{Script: "s"})}); err != nil || string(got.Argument) != "null" {
		t.Errorf("no argument: %s %v", got.Argument, err)
	}
	for _, bad := range []string{``, `{`, `{"script":"a`, `{"script":"a","version":"1","export":"x","now":"yesterday","argument":1}`} {
		if e, err := ReadEntry(Frame{Kind: Start, Body: json.RawMessage(bad)}); err == nil {
			t.Errorf("%s: %+v", bad, e)
		}
	}
}
