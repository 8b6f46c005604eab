package script

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"github.com/dop251/goja"
)

// STIR/SHAKEN: what the caller's provider says of the caller's number, for the
// script to read. Nothing here verifies a signature.

// passport is the claims of a PASSporT (RFC 8225 §5, RFC 8588 §4 attest and
// origid).
type passport struct {
	Attest string          `json:"attest"`
	Origid string          `json:"origid"`
	Iat    json.Number     `json:"iat"`
	Orig   json.RawMessage `json:"orig"`
	Dest   json.RawMessage `json:"dest"`
}

// MaxIdentity is how long an Identity header is read, in bytes.
const MaxIdentity = 8 << 10

var verstatForm = regexp.MustCompile(`(?i);\s*verstat=([A-Za-z0-9-]+)`)

// identity is call.identity: undefined without an Identity header and without a
// verstat parameter.
func (l *leg) identity() goja.Value {
	pairs := l.headerPairs()
	out := readIdentity(first(pairs, "identity", "y"))
	for _, name := range []string{"p-asserted-identity", "from", "f"} {
		if m := verstatForm.FindStringSubmatch(first(pairs, name)); m != nil {
			if out == nil {
				out = map[string]any{"verified": false}
			}
			out["verstat"] = m[1]
			break
		}
	}
	if out == nil {
		return goja.Undefined()
	}
	return l.vm.Runtime().ToValue(out)
}

// first is the value of the first header that has one of the names.
func first(pairs [][2]string, names ...string) string {
	for _, name := range names {
		for _, p := range pairs {
			if strings.EqualFold(p[0], name) {
				return p[1]
			}
		}
	}
	return ""
}

// readIdentity reads an Identity header: a token in three parts and parameters
// (RFC 8224 §4). What cannot be read leaves its field out; a short form without
// claims has its parameters only.
func readIdentity(value string) map[string]any {
	if value == "" || len(value) > MaxIdentity {
		return nil
	}
	token, params, _ := strings.Cut(value, ";")
	out := map[string]any{"verified": false}
	for p := range strings.SplitSeq(params, ";") {
		name, v, ok := strings.Cut(strings.TrimSpace(p), "=")
		switch name = strings.ToLower(name); {
		case ok && name == "info":
			out["info"] = strings.Trim(v, "<>")
		case ok && (name == "alg" || name == "ppt"):
			out[name] = strings.Trim(v, `"`)
		}
	}
	parts := strings.Split(strings.TrimSpace(token), ".")
	if len(parts) != 3 {
		return out
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	var c passport
	if err != nil || json.Unmarshal(raw, &c) != nil {
		return out
	}
	setText(out, "attest", c.Attest)
	setText(out, "origid", c.Origid)
	setText(out, "orig", numbers(c.Orig)...)
	if dest := numbers(c.Dest); len(dest) > 0 {
		list := make([]any, len(dest))
		for i, d := range dest {
			list[i] = d
		}
		out["dest"] = list
	}
	if at, err := strconv.ParseInt(c.Iat.String(), 10, 64); err == nil {
		out["iat"] = at
	}
	return out
}

func setText(out map[string]any, name string, texts ...string) {
	if len(texts) > 0 && texts[0] != "" {
		out[name] = texts[0]
	}
}

// numbers reads {"tn": "…"}, {"tn": ["…"]} and the same with uri.
func numbers(raw json.RawMessage) (out []string) {
	var claim struct{ TN, URI json.RawMessage }
	if json.Unmarshal(raw, &claim) != nil {
		return nil
	}
	for _, part := range []json.RawMessage{claim.TN, claim.URI} {
		var one string
		var list []string
		if json.Unmarshal(part, &one) == nil {
			out = append(out, one)
		} else if json.Unmarshal(part, &list) == nil {
			out = append(out, list...)
		}
	}
	return out
}
