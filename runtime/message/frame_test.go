package message

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"runtime"
	"testing"
	"testing/iotest"

	"github.com/loopstart/loopstart/internal/fault"
)

func TestFramesGoThroughAnyReads(t *testing.T) {
	frames := []Frame{
		{Kind: Ready, Body: json.RawMessage(`{"pid":1}`)},
		{Kind: Ping},
		{Kind: Call, VM: 1<<63 + 7, Seq: 1<<32 - 1, Body: json.RawMessage(`{"method":"x"}`)},
		{Kind: Load, Body: bytes.Repeat([]byte("a"), 3*readStep+1)},
		{Kind: Pong, VM: 1, Seq: 2, Body: json.RawMessage(`0`)},
	}
	var wire []byte
	for _, f := range frames {
		var err error
		if wire, err = AppendFrame(wire, f); err != nil {
			t.Fatal(err)
		}
	}
	for name, r := range map[string]io.Reader{
		"whole": bytes.NewReader(wire), "halves": iotest.HalfReader(bytes.NewReader(wire)),
		"data with EOF": iotest.DataErrReader(bytes.NewReader(wire)),
	} {
		reader := NewReader(r)
		for i, want := range frames {
			got, err := reader.Read()
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: frame %d: %v %v", name, i, got.Kind, err)
			}
		}
		if _, err := reader.Read(); err != io.EOF {
			t.Fatalf("%s: %v at the end", name, err)
		}
	}
}

func TestBadFrames(t *testing.T) {
	good, err := AppendFrame(nil, Frame{Kind: Ping, Body: json.RawMessage("12345")})
	if err != nil {
		t.Fatal(err)
	}
	tooLong := append([]byte(nil), good[:HeaderBytes]...)
	copy(tooLong[13:], []byte{1, 0, 0, 1}) // 16 MB and one
	badKind := append([]byte(nil), good...)
	badKind[0] = 99
	for name, c := range map[string]struct {
		wire []byte
		is   func(error) bool
	}{
		"cut header": {good[:5], func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		"cut body":   {good[:len(good)-1], func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		"no body":    {good[:HeaderBytes], func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		"too long":   {tooLong, func(err error) bool { return fault.CodeOf(err) == fault.Limit }},
		"bad kind":   {badKind, func(err error) bool { return fault.CodeOf(err) == fault.Invalid }},
	} {
		if _, err := NewReader(bytes.NewReader(c.wire)).Read(); !c.is(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := AppendFrame(nil, Frame{Kind: Load, Body: make([]byte, MaxBody+1)}); fault.CodeOf(err) != fault.Limit {
		t.Errorf("over the limit: %v", err)
	}
	if _, err := AppendFrame(nil, Frame{Kind: Load, Body: make([]byte, MaxBody)}); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	if _, err := AppendFrame(nil, Frame{}); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("no kind: %v", err)
	}
}

func TestAHeaderAloneClaimsNoMemory(t *testing.T) {
	wire := []byte{byte(Load), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 'x'} // 16 MB announced
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := NewReader(bytes.NewReader(wire)).Read(); err == nil {
		t.Fatal("read")
	}
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 8*readStep {
		t.Fatalf("%d bytes", allocated)
	}
}

func TestHandWrittenJSONIsWhatJSONMarshalMakes(t *testing.T) {
	for _, r := range []Request{
		{Method: "call.say", Args: json.RawMessage(`{"a":1}`), At: "main.ts:1:2"},
		{Method: "a\"b\\c", At: "расчёт.ts:1:2\n"},
	} {
		want, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := AppendRequest(nil, r); string(got) != string(want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for _, a := range []Answer{{Value: json.RawMessage(`[1]`)}, {}, {Error: &Error{Code: "MEDIA", Message: "нет", Hint: "<x>"}}} {
		var back Answer
		if err := json.Unmarshal(AppendAnswer(nil, a), &back); err != nil {
			t.Fatal(err)
		}
		if string(back.Value) == "null" {
			back.Value = nil
		}
		if !reflect.DeepEqual(a, back) {
			t.Errorf("%+v became %+v", a, back)
		}
	}
}

func TestEveryKindHasAName(t *testing.T) {
	for k := Ready; k <= Pong; k++ {
		if k.String() == "" {
			t.Errorf("kind %d", k)
		}
	}
	if Kind(77).String() != "kind(77)" {
		t.Error(Kind(77).String())
	}
}

func FuzzReader(f *testing.F) {
	seed, err := AppendFrame(nil, Frame{Kind: Call, VM: 1, Seq: 2, Body: json.RawMessage(`{}`)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(seed[:20])
	f.Add(bytes.Repeat([]byte{255}, 40))
	f.Fuzz(func(t *testing.T, wire []byte) {
		r := NewReader(bytes.NewReader(wire))
		var again []byte
		for {
			frame, err := r.Read()
			if err != nil {
				break
			}
			if again, err = AppendFrame(again, frame); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.HasPrefix(wire, again) {
			t.Fatalf("%x was read as %x", wire, again)
		}
	})
}
