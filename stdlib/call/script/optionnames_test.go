package script

import (
	"slices"
	"strings"
	"testing"
)

// TestOptionNames asks every verb which options it takes.
func TestOptionNames(t *testing.T) {
	before := map[string]string{"sendDigits": `"1", `, "transfer": `"101", `, "say": `"a", `, "play": `"tone:440", `, "prompt": `"a", `,
		"connect": `"101", `, "stream": `"ws://a", `, "bridge": `undefined, `,
		"sendMessage": `"a", `, "sendInfo": `"a/b", "c", `}
	for verb := range optionNames {
		p := &phone{t: t, answers: map[string][]string{}}
		got := p.run("try { await call." + verb + "(" + before[verb] + `{qqqqqqqqqqqq: 1}) } catch (e) { return e.hint }`)
		_, want, _ := OptionsOf(verb)
		text, _, _ := strings.Cut(strings.Trim(got, `"`), `"`)
		said := strings.Split(strings.TrimPrefix(text, "the options are "), ", ")
		want = slices.DeleteFunc(want, func(s string) bool { return slices.Contains(optionNames[verb].names, "-"+s) })
		if !slices.Equal(said, want) {
			t.Errorf("optionNames has of %s\n%v, the verb takes\n%v", verb, want, said)
		}
	}
	for _, verb := range Waiting() {
		if !slices.Contains(Members(), verb) {
			t.Errorf("a call has no %s", verb)
		}
	}
}
