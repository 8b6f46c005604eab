package script

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

// TestLimits: what is at a limit passes, one more is refused with a word about it.
func TestLimits(t *testing.T) {
	const texts = `const text = n => "x".repeat(n);`
	for source, limit := range map[string]int{
		`await kv.set(text(N), 1)`:                 MaxKey,
		`await kv.get(text(N))`:                    MaxKey,
		`await lock(text(N), async () => 1)`:       MaxKey,
		`await kv.list("a", {limit: N})`:           MaxList,
		`await lock("a", {ttl: N}, async () => 1)`: int(maxLock.Milliseconds()),
		`await Promise.race([sleep(N), 1])`:        int(maxSleep.Milliseconds()),
		`await webhook.deliver("https://a.test", {}, {files: Array(N).fill({name: "a.txt", data: "a"})})`: MaxFiles,
	} {
		k := func() *host { return &host{values: map[string]json.RawMessage{}} }
		refused := func(s string) bool { return strings.HasPrefix(s, "INVALID: ") || strings.HasPrefix(s, "LIMIT: ") }
		if got := run(t, k(), texts+strings.ReplaceAll(source, "N", strconv.Itoa(limit))); refused(got) {
			t.Errorf("%s with %d: %s", source, limit, got)
		}
		if got := run(t, k(), texts+strings.ReplaceAll(source, "N", strconv.Itoa(limit+1))); !refused(got) {
			t.Errorf("%s with %d is not refused: %s", source, limit+1, got)
		}
	}
}
