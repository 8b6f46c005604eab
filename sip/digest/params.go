package digest

import (
	"errors"
	"fmt"
	"strings"
)

// Limits of the header parser.
const (
	MaxValue  = 8 << 10 // bytes of one header value
	MaxParams = 32      // parameters in one header value
)

var (
	errScheme   = errors.New("digest: the scheme is not Digest")
	errTooLong  = errors.New("digest: the header value is too long")
	errParams   = errors.New("digest: too many parameters")
	errSyntax   = errors.New("digest: malformed parameter")
	errRepeated = errors.New("digest: a parameter stands twice")
)

// params holds the parameters of one header value by lower-case name, unquoted.
type params map[string]string

// parseParams reads `Digest name=value, name="value"` (RFC 3261 §25.1).
// Commas may be missing around white space only at the end; a parameter that
// stands twice is refused, because peers disagree which one counts.
func parseParams(s string) (params, error) {
	if len(s) > MaxValue {
		return nil, errTooLong
	}
	scheme, rest, _ := strings.Cut(strings.TrimLeft(s, " \t"), " ")
	if !strings.EqualFold(strings.TrimSpace(scheme), "Digest") {
		return nil, errScheme
	}
	out := make(params)
	for rest = skip(rest); rest != ""; rest = skip(rest) {
		name, value, tail, err := nextParam(rest)
		if err != nil {
			return nil, err
		}
		if _, twice := out[name]; twice {
			return nil, errRepeated
		}
		if len(out) == MaxParams {
			return nil, errParams
		}
		out[name], rest = value, tail
	}
	return out, nil
}

// skip drops white space and list commas.
func skip(s string) string { return strings.TrimLeft(s, " \t\r\n,") }

func nextParam(s string) (name, value, tail string, err error) {
	name, s, ok := strings.Cut(s, "=")
	name = strings.ToLower(strings.TrimSpace(name))
	if !ok || name == "" || strings.ContainsAny(name, " \t\r\n\",") {
		return "", "", "", errSyntax
	}
	s = strings.TrimLeft(s, " \t")
	if strings.HasPrefix(s, `"`) {
		value, tail, err = unquote(s[1:])
	} else {
		value, tail = token(s)
	}
	if err == nil && strings.ContainsAny(value, "\r\n\x00") {
		err = errSyntax
	}
	return name, value, tail, err
}

// token reads up to the next comma.
func token(s string) (value, tail string) {
	value, tail, _ = strings.Cut(s, ",")
	return strings.TrimSpace(value), tail
}

// unquote reads a quoted string whose opening quote is already gone.
func unquote(s string) (value, tail string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i++; i == len(s) {
				return "", "", errSyntax
			}
		case '"':
			return b.String(), s[i+1:], nil
		}
		b.WriteByte(s[i])
	}
	return "", "", errSyntax
}

// writer builds a header value, parameter by parameter.
type writer struct{ b strings.Builder }

// quoting is made once: a replacer is 30 KB, and a flood of REGISTERs asks for
// challenges with a dozen quoted values each.
var quoting = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func (w *writer) quoted(name, value string) {
	w.token(name, `"`+quoting.Replace(value)+`"`)
}

func (w *writer) token(name, value string) {
	if w.b.Len() == 0 {
		w.b.WriteString("Digest ")
	} else {
		w.b.WriteString(", ")
	}
	fmt.Fprintf(&w.b, "%s=%s", name, value)
}
