package fault

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestBadJSON(t *testing.T) {
	for body, want := range map[string]string{
		`{"attempts":"3"}`:     "attempts: a string is not what is wanted here|it is a whole number, such as 3",
		`{"attempts":2.5}`:     "attempts: a number 2.5 is not what is wanted here|it is a whole number, such as 3",
		`{"to":["101"]}`:       "to: an array is not what is wanted here|it is a text in quotes",
		`{"hide":1}`:           "hide: a number is not what is wanted here|it is true or false",
		`{"rate":"fast"}`:      "rate: a string is not what is wanted here|it is a number",
		`{"retry":"5m"}`:       "retry: a string is not what is wanted here|it is an object in { }",
		`{"events":{"a":1}}`:   "events: an object is not what is wanted here|it is a list in [ ]",
		`{"atempts":3}`:        `unknown field "atempts"|did you mean attempts? fields are attempts, to`,
		`{"something else":1}`: `unknown field "something else"|fields are attempts, to`,
		`[1]`:                  "the value: an array is not what is wanted here|it is an object in { }",
		`{`:                    "unexpected EOF|fields are attempts, to",
	} {
		var into struct {
			Attempts int               `json:"attempts"`
			To       string            `json:"to"`
			Hide     bool              `json:"hide"`
			Rate     float64           `json:"rate"`
			Retry    map[string]string `json:"retry"`
			Events   []string          `json:"events"`
		}
		dec := json.NewDecoder(strings.NewReader(body))
		dec.DisallowUnknownFields()
		e := BadJSON(dec.Decode(&into), "attempts, to")
		if got := e.Message + "|" + e.Hint; got != want || e.Code != Invalid {
			t.Errorf("%s: %s", body, got)
		}
	}
	own := New(Denied, "no")
	if BadJSON(own, "") != own {
		t.Error("an error that is worded already was worded again")
	}
}
