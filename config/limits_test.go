package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestVariableLimit(t *testing.T) {
	for n, ok := range map[int]bool{maxVariable: true, maxVariable + 1: false} {
		_, err := Parse([]byte("secrets: {A: '${A}'}\n"), FileName, Options{Env: map[string]string{"A": strings.Repeat("x", n)}})
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "the variable A is longer than") {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// TestNodesLimit counts aliases by what they expand to.
func TestNodesLimit(t *testing.T) {
	for n, ok := range map[int]bool{MaxNodes: true, MaxNodes + 1: false} {
		b := &builder{fail: func(place, string, string) {}}
		if got := b.room(n-1, 0, place{}) && b.room(1, 0, place{}); got != ok {
			t.Errorf("%d values: %t", n, got)
		}
	}
	row := "a: &a [" + strings.Repeat("1,", 99) + "1]\n"
	_, err := Parse([]byte(row+"routes: [{script: s, data: {x: ["+strings.Repeat("*a,", MaxNodes/100)+"]}}]\n"), FileName, Options{Env: map[string]string{}})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("at most %d values", MaxNodes)) {
		t.Errorf("%v", err)
	}
}

func TestLengthsOfWords(t *testing.T) {
	for name, tc := range map[string]struct {
		limit int
		ok    func(string) bool
	}{
		"name":    {maxName, isName},
		"pattern": {maxPattern, isPattern},
		"number":  {maxDigits, func(s string) bool { return isDigits("+"+s, 3) }},
	} {
		if s := strings.Repeat("1", tc.limit); !tc.ok(s) || tc.ok(s+"1") {
			t.Errorf("%s: not %d", name, tc.limit)
		}
	}
}
