package message

import (
	"bytes"
	"encoding/json"
	"time"
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

// cutText cuts a member whose text has no escapes off the front of rest.
func cutText(rest *json.RawMessage, member string, text *string) bool {
	after, found := bytes.CutPrefix(*rest, []byte(member))
	if !found || len(after) == 0 || after[0] != '"' {
		return false
	}
	end := bytes.IndexByte(after[1:], '"')
	if end < 0 || bytes.IndexByte(after[1:1+end], '\\') >= 0 {
		return false
	}
	*text, *rest = string(after[1:1+end]), after[2+end:]
	return true
}
