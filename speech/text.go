package speech

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/loopstart/loopstart/internal/fault"
)

// Normalise brings text into the form that engines get and the cache knows:
// NFC, one blank for any white space, no control or invisible characters. A
// combining accent stays: some engines take it as a stress mark.
func Normalise(text string) (string, error) {
	if len(text) > 16*MaxText { // do not even look at it
		return "", tooLong(len(text))
	}
	var b strings.Builder
	blank := false
	for _, r := range strings.ToValidUTF8(text, " ") {
		switch {
		case unicode.IsSpace(r):
			blank = true
			continue
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r):
			continue
		}
		if blank && b.Len() > 0 {
			b.WriteByte(' ')
		}
		blank = false
		b.WriteRune(r)
	}
	out := norm.NFC.String(b.String()) // last: what was removed may have stood inside a letter
	if out == "" {
		return "", fault.New(fault.Invalid, "speech: the text is empty")
	}
	if n := utf8.RuneCountInString(out); n > MaxText {
		return "", tooLong(n)
	}
	return out, nil
}

func tooLong(n int) error {
	return fault.New(fault.Limit, "speech: a text has at most %d characters, this one has %d", MaxText, n).
		WithHint("say it in several sentences, one prompt each")
}

// key names the clip of u made by e. Parts are ended by 0, which none contains.
func key(e *engine, u Utterance) string {
	parts := []string{e.Name(), "", u.Voice, strings.ToLower(u.Language), u.Text}
	if f, ok := e.Synthesizer.(Fingerprinter); ok {
		parts[1] = f.Fingerprint(u)
	}
	h := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(h[:])
}

// base is the language without region and script: "ru" of "ru-RU".
func base(language string) string {
	lang, _, _ := strings.Cut(strings.ToLower(strings.ReplaceAll(language, "_", "-")), "-")
	return lang
}

// plainName reports whether a voice or language may stand in a command line: a
// name, not an option and nothing else.
func plainName(s string) bool {
	if s == "" || len(s) > 64 || s[0] == '-' || strings.Contains(s, "..") {
		return false
	}
	for _, r := range s {
		if !(r < 128 && (unicode.IsLetter(r) || unicode.IsDigit(r)) || strings.ContainsRune("+-_./", r)) {
			return false
		}
	}
	return s[0] != '/'
}
