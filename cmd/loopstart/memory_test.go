package main

import (
	"os"
	"testing"
)

func TestSoftLimit(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct {
		name  string
		total uint64
		group string // of the control group; "": it says nothing
		want  int64
	}{
		{"a quarter", 8 * gib, "", 2 * gib},
		{"no less than the floor", 1 * gib, "", memoryFloor},
		{"the group has less", 64 * gib, "4294967296\n", 1 * gib},
		{"the group has hardly any", 64 * gib, "268435456\n", memoryFloor},
		{"the group has no limit", 8 * gib, "max\n", 2 * gib},
		{"the group's limit is none", 8 * gib, "9223372036854771712\n", 2 * gib},
		{"nonsense", 8 * gib, "x", 2 * gib},
	} {
		read := func(string) ([]byte, error) {
			if c.group == "" {
				return nil, os.ErrNotExist
			}
			return []byte(c.group), nil
		}
		if got := softLimit(c.total, []string{"memory.max"}, read); got != c.want {
			t.Errorf("%s: %d, not %d", c.name, got, c.want)
		}
	}
}
