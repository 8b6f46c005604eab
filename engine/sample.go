package engine

import (
	"encoding/json"
	"strings"
	"time"
)

// SampleData makes up call.data for a script after its config.data, so that an
// author can try it without writing any; nil when the script asks for none.
// Optional fields are left out.
func (e *Engine) SampleData(script string) json.RawMessage {
	v, err := e.scripts.Current(script)
	if err != nil {
		return nil
	}
	data := map[string]any{}
	for name, kind := range e.settings.of(v).Data {
		if !strings.HasSuffix(kind, "?") {
			data[name] = sampleOf(name, kind, e.clk.Now())
		}
	}
	if len(data) == 0 {
		return nil
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return nil
	}
	return raw
}

// sampleOf is a value of a kind; a text may have to be spoken as digits, unless
// it is a name.
func sampleOf(name, kind string, now time.Time) any {
	switch kind {
	case "number":
		return 3
	case "money":
		return "1521.50"
	case "date":
		return now.AddDate(0, 0, 3).Format(time.DateOnly)
	case "time":
		return "18:30"
	case "phone":
		return "+79161234567"
	case "boolean":
		return true
	}
	if strings.Contains(strings.ToLower(name), "name") {
		return "Anna"
	}
	return "4031"
}
