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

// ReadRequest reads what AppendRequest and encoding/json write, and refuses what
// encoding/json refuses.
func TestReadRequest(t *testing.T) {
	for _, r := range []Request{
		{Method: "call.say", Args: json.RawMessage(`{"text":"a"}`), At: "main.ts:1:2"},
		{Method: "a\"b", Args: json.RawMessage(`{"at":"x","z":",\"at\":\"y"}`), At: "файл.ts:1:2"},
		{Method: "m", Args: json.RawMessage(`[1,"\u0041"]`), At: `x","at":"y`},
		{},
	} {
		whole, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range []json.RawMessage{AppendRequest(nil, r), whole} {
			checkRequest(t, body)
		}
	}
	for _, body := range []string{
		``, `{}`, `{"method":"m"}`, `{"method":"m","args":{"x":1,"at":"y"}}`, `{"method":"m","args":1,"at":"x"},"at":"y"}`, `{"method":"m","args":,"at":"x"}`,
		`{"method":"m","args":{"a":1,"at":"x"}`, "{\"method\":\"m\x01\",\"args\":1,\"at\":\"\"}", "{\"method\":\"m\",\"args\":1,\"at\":\"\xff\"}", `{"at":"x","method":"m","args":2}`,
	} {
		checkRequest(t, json.RawMessage(body))
	}
}

// checkRequest compares ReadRequest with encoding/json.
func checkRequest(t *testing.T, body json.RawMessage) {
	t.Helper()
	var want Request
	failed := json.Unmarshal(body, &want)
	if failed != nil {
		want = Request{}
	}
	got, err := ReadRequest(Frame{Kind: Call, Body: body})
	if (err == nil) != (failed == nil) || err == nil && !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %+v %v, want %+v %v", body, got, err, want, failed)
	}
}

func FuzzReadRequest(f *testing.F) {
	f.Add([]byte(AppendRequest(nil, Request{Method: "call.say", Args: json.RawMessage(`{"text":"a"}`), At: "main.ts:1:2"})))
	f.Add([]byte(`{"method":"m","args":1,"at":"x"},"at":"y"}`))
	f.Fuzz(func(t *testing.T, body []byte) { checkRequest(t, body) })
}

func TestReadAnswer(t *testing.T) {
	for _, a := range []Answer{{Value: json.RawMessage(`{"a":[1]}`)}, {Value: json.RawMessage(`null`)}, {Error: &Error{Code: "LIMIT", Message: "x"}}} {
		got, err := ReadAnswer(AppendAnswer(nil, a))
		if err != nil || !reflect.DeepEqual(got, a) {
			t.Errorf("%+v: %+v %v", a, got, err)
		}
	}
	if got, err := ReadAnswer(json.RawMessage(`{}`)); err != nil || got.Value != nil || got.Error != nil {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := ReadAnswer(json.RawMessage(`{"value"`)); err == nil {
		t.Error("half an answer is read")
	}
}
