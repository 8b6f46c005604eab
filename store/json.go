package store

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
)

// compact drops the white space of valid JSON.
func compact(v json.RawMessage) json.RawMessage {
	if v == nil {
		return nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, v); err != nil {
		return v
	}
	return b.Bytes()
}

// encode is json.Marshal that leaves "<" and its kind as they came.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// equalJSON reports whether two texts are the same value: white space, order
// of members and spelling of numbers do not count.
func equalJSON(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	va, errA := decode(a)
	vb, errB := decode(b)
	return errA == nil && errB == nil && equalValue(va, vb)
}

func decode(b []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

func equalValue(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		return equalObject(a, b)
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equalValue(a[i], b[i]) {
				return false
			}
		}
		return true
	case json.Number:
		b, ok := b.(json.Number)
		return ok && equalNumber(a, b)
	}
	return a == b
}

func equalObject(a map[string]any, other any) bool {
	b, ok := other.(map[string]any)
	if !ok || len(a) != len(b) {
		return false
	}
	for k, v := range a {
		w, ok := b[k]
		if !ok || !equalValue(v, w) {
			return false
		}
	}
	return true
}

// equalNumber compares as JavaScript does, by the nearest double, but keeps
// different integers that a double cannot tell apart different.
func equalNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	fa, errA := a.Float64()
	fb, errB := b.Float64()
	if errA != nil || errB != nil || fa != fb {
		return false
	}
	return fa == 0 || strings.ContainsAny(string(a), ".eE") || strings.ContainsAny(string(b), ".eE")
}

// add is the sum of the JSON number in value and by.
func add(key string, value []byte, by int64) (int64, error) {
	f, err := strconv.ParseFloat(string(value), 64)
	if err != nil || f != math.Trunc(f) {
		return 0, fault.New(fault.Invalid, "store: %q holds %s, which is no whole number", key, clip(value))
	}
	sum := f + float64(by)
	if math.Abs(f) > MaxCount || by > MaxCount || by < -MaxCount || math.Abs(sum) > MaxCount {
		return 0, fault.New(fault.Limit, "store: %q would pass ±%d", key, int64(MaxCount))
	}
	return int64(sum), nil
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// clip shows the beginning of a value in an error.
func clip(v []byte) string {
	const most = 40
	if len(v) <= most {
		return string(v)
	}
	return string(v[:most]) + "…"
}
