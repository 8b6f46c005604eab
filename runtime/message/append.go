package message

import "encoding/json"

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
