package call

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
)

// Part is one piece of a prompt: speech, a sound, or a value that is spoken in
// the script's language. Exactly one of the value fields is set.
type Part struct {
	Text      string `json:"say,omitempty"`
	Play      string `json:"play,omitempty"`      // file, URL, tone:…, silence:…
	Recording string `json:"recording,omitempty"` // id of a recording

	Digits json.RawMessage `json:"digits,omitempty"`
	Spell  json.RawMessage `json:"spell,omitempty"`
	Phone  json.RawMessage `json:"phone,omitempty"`
	Time   json.RawMessage `json:"time,omitempty"`
	Number json.RawMessage `json:"number,omitempty"`
	Count  json.RawMessage `json:"count,omitempty"`
	Money  json.RawMessage `json:"money,omitempty"`
	Date   json.RawMessage `json:"date,omitempty"`

	Of       []string `json:"of,omitempty"`
	Case     string   `json:"case,omitempty"`
	Gender   string   `json:"gender,omitempty"`
	Year     *bool    `json:"year,omitempty"` // of a date; nil: said when it is needed
	Currency string   `json:"currency,omitempty"`
	Language string   `json:"language,omitempty"`
	Voice    string   `json:"voice,omitempty"`

	// Apart begins a sentence: the part is not spoken in one breath with the
	// text before it.
	Apart bool `json:"-"`
}

// UnmarshalJSON takes a string as speech.
func (p *Part) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*p = Part{}
		return json.Unmarshal(b, &p.Text)
	}
	type plain Part
	return json.Unmarshal(b, (*plain)(p))
}

// Value finds the spoken value of a part: its kind and its plain text.
func (p *Part) Value() (kind, value string) {
	for _, f := range []struct {
		kind string
		raw  json.RawMessage
	}{
		{"digits", p.Digits}, {"spell", p.Spell}, {"phone", p.Phone}, {"time", p.Time}, {"number", p.Number},
		{"count", p.Count}, {"money", p.Money}, {"date", p.Date},
	} {
		if len(f.raw) > 0 {
			return f.kind, plainText(f.raw)
		}
	}
	return "", ""
}

// plainText is a JSON string or number as people write it.
func plainText(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// Check reports a part that says nothing or too much.
func (p *Part) Check() error {
	n := 0
	if p.Text != "" {
		n++
	}
	if p.Play != "" {
		n++
	}
	if p.Recording != "" {
		n++
	}
	for _, raw := range []json.RawMessage{p.Digits, p.Spell, p.Phone, p.Time, p.Number, p.Count, p.Money, p.Date} {
		if len(raw) == 0 {
			continue
		}
		n++
		if string(raw) == "null" || string(raw) == `""` {
			return fault.New(fault.Invalid, "a prompt part has no value: %s", mustJSON(p)).WithHint("is a field of call.data missing?")
		}
	}
	if n > 1 {
		return fault.New(fault.Invalid, "a prompt part has %d values: %s", n, mustJSON(p)).WithHint("give each value a part of its own")
	}
	return nil
}

// Label is a prompt in one line for timelines.
func Label(parts []Part) string {
	var words []string
	for i := range parts {
		p := &parts[i]
		switch kind, value := p.Value(); {
		case kind != "":
			words = append(words, "["+kind+" "+value+"]")
		case p.Play != "":
			words = append(words, "<"+p.Play+">")
		case p.Recording != "":
			words = append(words, "<recording "+p.Recording+">")
		default:
			words = append(words, p.Text)
		}
	}
	label := strings.Join(strings.Fields(strings.Join(words, " ")), " ")
	if r := []rune(label); len(r) > maxLabel {
		label = string(r[:maxLabel]) + "…"
	}
	return fmt.Sprintf("%q", label)
}

const maxLabel = 400

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
