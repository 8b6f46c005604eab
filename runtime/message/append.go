package message

import (
	"bytes"
	"encoding/json"
	"time"
	"unicode/utf8"
)

// AppendRequest appends the JSON of r to dst. It does the same as json.Marshal
// without reading the arguments again, which the runtime has just written.
func AppendRequest(dst []byte, r Request) json.RawMessage {
	dst = append(dst, `{"method":`...)
	dst = appendText(dst, r.Method)
	dst = append(dst, `,"args":`...)
	dst = appendRaw(dst, r.Args)
	dst = append(dst, `,"at":`...)
	dst = appendText(dst, r.At)
	return append(dst, '}')
}

// AppendAnswer appends the JSON of a to dst; its Value has to be valid JSON.
func AppendAnswer(dst []byte, a Answer) json.RawMessage {
	if a.Error != nil {
		text, err := json.Marshal(a.Error)
		if err != nil {
			text = []byte(`{"code":"INTERNAL","message":"unreadable error"}`)
		}
		dst = append(dst, `{"error":`...)
		return append(append(dst, text...), '}')
	}
	dst = append(dst, `{"value":`...)
	return append(appendRaw(dst, a.Value), '}')
}

func appendRaw(dst []byte, raw json.RawMessage) []byte {
	if len(raw) == 0 {
		return append(dst, "null"...)
	}
	return append(dst, raw...)
}

func appendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x7f {
			text, err := json.Marshal(s)
			if err != nil {
				return append(dst, `""`...)
			}
			return append(dst, text...)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}

// The members of an Entry as [AppendEntry] writes them, in their order.
const (
	entryScript   = `{"script":`
	entryVersion  = `,"version":`
	entryExport   = `,"export":`
	entryNow      = `,"now":`
	entryArgument = `,"argument":`
)

// AppendEntry appends the JSON of e to dst. Its Argument has to be valid JSON;
// it comes last, so that [ReadEntry] need not read it.
func AppendEntry(dst []byte, e Entry) json.RawMessage {
	dst = appendText(append(dst, entryScript...), e.Script)
	dst = appendText(append(dst, entryVersion...), e.Version)
	dst = appendText(append(dst, entryExport...), e.Export)
	dst = append(append(dst, entryNow...), '"')
	dst = append(e.Now.AppendFormat(dst, time.RFC3339Nano), '"')
	return append(appendRaw(append(dst, entryArgument...), e.Argument), '}')
}

// ReadEntry reads the body of a Start. What [AppendEntry] has written is cut at
// its members and its Argument is not looked at; anything else is decoded.
func ReadEntry(f Frame) (e Entry, err error) {
	rest, now := f.Body, ""
	ok := cutText(&rest, entryScript, &e.Script) && cutText(&rest, entryVersion, &e.Version) &&
		cutText(&rest, entryExport, &e.Export) && cutText(&rest, entryNow, &now) && bytes.HasPrefix(rest, []byte(entryArgument)) &&
		len(rest) > len(entryArgument) && rest[len(rest)-1] == '}'
	if ok {
		e.Argument = rest[len(entryArgument) : len(rest)-1]
		e.Now, err = time.Parse(time.RFC3339Nano, now)
	}
	if !ok || err != nil {
		e = Entry{}
		err = f.Decode(&e)
	}
	return e, err
}

// The members of a Request and an Answer, as they are written above.
const (
	requestMethod = `{"method":`
	requestArgs   = `,"args":`
	requestAt     = `,"at":`
	answerValue   = `{"value":`
)

// ReadRequest reads the body of a Call. A worker may send anything: what stands
// between the members is checked, and what is not as [AppendRequest] writes it is
// decoded.
func ReadRequest(f Frame) (r Request, err error) {
	rest := f.Body
	if cutText(&rest, requestMethod, &r.Method) {
		args, found := bytes.CutPrefix(rest, []byte(requestArgs))
		if at := bytes.LastIndex(args, []byte(requestAt)); found && at > 0 && json.Valid(args[:at]) {
			tail := json.RawMessage(args[at:])
			if cutText(&tail, requestAt, &r.At) && string(tail) == "}" {
				r.Args = args[:at]
				return r, nil
			}
		}
	}
	r = Request{}
	return r, f.Decode(&r)
}

// ReadAnswer reads the body of a Settle. It looks at no value that
// [AppendAnswer] has written: who uses it decodes it.
func ReadAnswer(body json.RawMessage) (a Answer, err error) {
	value, found := bytes.CutPrefix(body, []byte(answerValue))
	if n := len(value); found && n > 1 && value[n-1] == '}' {
		return Answer{Value: value[:n-1]}, nil
	}
	return a, json.Unmarshal(body, &a)
}

// cutText cuts a member whose text needs no decoding off the front of rest.
func cutText(rest *json.RawMessage, member string, text *string) bool {
	after, found := bytes.CutPrefix(*rest, []byte(member))
	if !found || len(after) == 0 || after[0] != '"' {
		return false
	}
	end := bytes.IndexByte(after[1:], '"')
	if end < 0 {
		return false
	}
	s := after[1 : 1+end]
	if !utf8.Valid(s) || bytes.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == '\\' }) {
		return false
	}
	*text, *rest = string(s), after[2+end:]
	return true
}
