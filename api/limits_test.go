package api

import (
	"encoding/json"
	"fmt"
	"net/url"
	"testing"
)

func TestRowsLimit(t *testing.T) {
	for n, ok := range map[int]bool{maxLimit: true, maxLimit + 1: false} {
		if got, _, err := page(url.Values{"limit": {fmt.Sprint(n)}}); (err == nil) != ok || ok && got != n {
			t.Errorf("%d rows: %d, %v", n, got, err)
		}
	}
}

// TestMaxLooks: a token of a few scripts does not make one request read all rows
// of the others.
func TestMaxLooks(t *testing.T) {
	looks := 0
	rows, next, err := seen(Token{Scripts: []string{"a", "b"}}, "", 10, func(int, *string) ([]json.RawMessage, string, error) {
		looks++
		return []json.RawMessage{json.RawMessage(`{"script":"c"}`)}, fmt.Sprint(looks), nil
	})
	if err != nil || len(rows) != 0 || looks != MaxLooks || next != fmt.Sprint(MaxLooks) {
		t.Errorf("%d looks, %d rows, next %q, %v", looks, len(rows), next, err)
	}
}
