package engine

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/loopstart/loopstart/call"
)

// TestDateInAPrompt: the year is said where the date would be mistaken without
// it, and as the part asks.
func TestDateInAPrompt(t *testing.T) {
	today := func() time.Time { return time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC) }
	for _, c := range []struct{ language, part, want string }{
		{"ru-RU", `{"date":"2026-12-31","case":"gen"}`, "тридцать первого декабря"},
		{"ru-RU", `{"date":"2028-12-31","case":"gen"}`, "тридцать первого декабря две тысячи двадцать восьмого года"},
		{"ru-RU", `{"date":"2028-12-31","case":"gen","year":false}`, "тридцать первого декабря"},
		{"ru-RU", `{"date":"2026-12-31","case":"gen","year":true}`, "тридцать первого декабря две тысячи двадцать шестого года"},
		{"ru-RU", `{"date":"31.12","year":true}`, "тридцать первое декабря"},
		{"en-US", `{"date":"1985-05-03"}`, "May third, nineteen eighty-five"},
		{"en-US", `{"date":"2026-10-03"}`, "October third"},
		{"kk-KZ", `{"date":"2030-08-16"}`, "екі мың отызыншы жылғы он алтыншы тамыз"},
		{"kk-KZ", `{"date":"2026-08-16"}`, "он алтыншы тамыз"},
	} {
		var part call.Part
		if err := json.Unmarshal([]byte(c.part), &part); err != nil {
			t.Fatal(err)
		}
		if got, err := speak(&part, c.language, today); err != nil || got != c.want {
			t.Errorf("%s %s: %q %v, want %q", c.language, c.part, got, err, c.want)
		}
	}
}
