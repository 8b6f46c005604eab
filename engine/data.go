package engine

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/internal/words"
)

// dataKinds are the kinds of config.data, each with what a value of it must
// be. Values come from JSON, or as text from forms and tables; v is their text.
var dataKinds = map[string]func(v string, isText bool, country string) bool{
	"any":    func(string, bool, string) bool { return true },
	"string": func(string, bool, string) bool { return true },
	"number": func(v string, _ bool, _ string) bool { return sayable(words.Number("en", v, words.Form{})) },
	"money":  func(v string, _ bool, _ string) bool { return sayable(words.Number("en", v, words.Form{})) },
	"date": func(v string, isText bool, _ string) bool {
		return isText && sayable(words.Date("en", v, words.Form{}))
	},
	"time": func(v string, isText bool, _ string) bool {
		return isText && sayable(words.Time("en", v, words.Form{}))
	},
	"phone": func(v string, _ bool, country string) bool {
		return strings.HasPrefix(phone.Normalize(v, country), "+")
	},
	"boolean": func(v string, _ bool, _ string) bool {
		return slices.Contains([]string{"true", "false", "1", "0", "yes", "no"}, strings.ToLower(v))
	},
}

func sayable(_ string, err error) bool { return err == nil }

func knownKind(kind string) bool {
	_, ok := dataKinds[strings.TrimSuffix(kind, "?")]
	return ok
}

// CheckData reports the first field, by name, that the script needs and data
// does not have, or that is not of the kind the script asks for.
func (s *Static) CheckData(data json.RawMessage, country string) error {
	var have map[string]json.RawMessage
	if len(data) > 0 && json.Unmarshal(data, &have) != nil {
		return fault.New(fault.Invalid, "data is no object")
	}
	names := make([]string, 0, len(s.Data))
	for name := range s.Data {
		names = append(names, name)
	}
	slices.Sort(names)
	if err := missingData(s.Data, names, have); err != nil {
		return err
	}
	for _, name := range names {
		if err := checkField(name, s.Data[name], have[name], country); err != nil {
			return err
		}
	}
	return nil
}

// missingData names all fields that are missing, so that nobody has to find
// them one by one.
func missingData(kinds map[string]string, names []string, have map[string]json.RawMessage) error {
	var gone, asked []string
	for _, name := range names {
		if base, optional := strings.CutSuffix(kinds[name], "?"); !optional && empty(have[name]) {
			gone, asked = append(gone, "data."+name), append(asked, base)
		}
	}
	more := ""
	switch {
	case len(gone) == 0:
		return nil
	case len(gone) == 2:
		more = ", and so is " + gone[1]
	case len(gone) > 2:
		more = ", and so are " + strings.Join(gone[1:], ", ")
	}
	return fault.New(fault.Invalid, "%s is missing%s", gone[0], more).WithHint("the script's config.data asks for it (%s)", strings.Join(asked, ", "))
}

// empty reports whether a field is not there, null, or a text of blanks.
func empty(v json.RawMessage) bool {
	var text string
	isText := len(v) > 0 && v[0] == '"' && json.Unmarshal(v, &text) == nil
	return len(v) == 0 || string(v) == "null" || isText && strings.TrimSpace(text) == ""
}

func checkField(name, kind string, v json.RawMessage, country string) error {
	if empty(v) {
		return nil // it is optional: missingData has looked
	}
	base := strings.TrimSuffix(kind, "?")
	var text string
	isText := json.Unmarshal(v, &text) == nil && v[0] == '"'
	if text = strings.TrimSpace(text); !isText {
		text = string(v)
	}
	nested := text[0] == '{' || text[0] == '['
	if base != "any" && nested && !isText || !dataKinds[base](text, isText, country) {
		return fault.New(fault.Invalid, "data.%s is no %s", name, base).WithHint("the script's config.data asks for it; %s", kindHints[base])
	}
	return nil
}

// kindHints show what a kind looks like.
var kindHints = map[string]string{
	"string": "write a text", "number": `write 1521.5 or "1521,50"`, "money": `write 1521.5 or "1521,50"`,
	"date": `write "2026-12-31" or "31.12.2026"`, "time": `write "09:30"`, "phone": `write "+79161234567"`, "boolean": "write true or false",
}
