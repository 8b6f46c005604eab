package campaign

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/loopstart/loopstart/internal/fault"
)

// json reads [{…}, …] or {"contacts": [{…}, …]}; a row's line is its place in
// the list.
func (in *importer) json(l *lineReader) error {
	dec := json.NewDecoder(l)
	t, err := dec.Token()
	if err == nil && t == json.Delim('{') {
		if t, err = dec.Token(); err == nil && t != "contacts" {
			return fault.New(fault.Invalid, "import: field %v is unknown", t).WithHint(`send {"contacts": [{"phone": "…"}]}`)
		}
		if err == nil {
			t, err = dec.Token()
		}
	}
	if err != nil || t != json.Delim('[') {
		return errJSON(dec, err)
	}
	for n := 1; dec.More(); n++ {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return errJSON(dec, err)
		}
		if err := in.object(n, raw); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return errJSON(dec, err)
	}
	return nil
}

func errJSON(dec *json.Decoder, err error) error {
	if err == nil {
		err = errors.New("a list of contacts is wanted")
	}
	if fault.CodeOf(err) == fault.Unavailable {
		return err
	}
	return fault.New(fault.Invalid, "import: byte %d: %w", dec.InputOffset(), err).WithHint(`send {"contacts": [{"phone": "…"}]}`)
}

// ndjson reads one object a line.
func (in *importer) ndjson(l *lineReader) error {
	for {
		line, n, ok, err := l.next()
		switch {
		case err != nil && fault.CodeOf(err) == fault.Limit:
			l.skip()
			if err := in.row(n, rawContact{}, fault.New(fault.Limit, "more than %d bytes", MaxLine)); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		case !ok:
			if l.err != nil {
				return nil
			}
			continue
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if err := in.object(n, []byte(l.text(line))); err != nil {
			return err
		}
	}
}

// object reads one contact.
func (in *importer) object(line int, raw []byte) error {
	if len(raw) > MaxLine {
		return in.row(line, rawContact{}, fault.New(fault.Limit, "more than %d bytes", MaxLine))
	}
	r, err := readObject(raw)
	return in.row(line, r, err)
}

func readObject(raw []byte) (r rawContact, err error) {
	var fields map[string]json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(raw))
	if err := dec.Decode(&fields); err != nil || fields == nil {
		return r, fault.New(fault.Invalid, "no JSON object: %.40q", raw)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return r, fault.New(fault.Invalid, "more than one JSON object in a row")
	}
	texts := map[string]*string{"zone": &r.zone, "at": &r.at, "expires": &r.expires, "priority": &r.priority, "key": &r.key}
	var phones [MaxPhones + 1]string
	var more []string // of the list "phones", behind the ones with a name of their own
	for _, name := range sortedKeys(fields) {
		v := fields[name]
		if string(v) == "null" {
			continue
		}
		n, isPhone := phoneColumn(name)
		switch to := texts[name]; {
		case isPhone && n <= MaxPhones:
			phones[n], err = textOrDigits(v)
		case to != nil:
			*to, err = textOrDigits(v)
		case name == "phones":
			err = json.Unmarshal(v, &more)
		case name == "data":
			var object map[string]json.RawMessage
			if err = json.Unmarshal(v, &object); err == nil {
				r.data = v
			}
		default:
			return r, fault.New(fault.Invalid, "unknown field %q", name).WithHint("fields are phone, phone2, …, zone, at, expires, priority, key and data")
		}
		if err != nil {
			return r, fault.New(fault.Invalid, "%s: %.40q is not what is wanted there", name, v)
		}
	}
	for _, p := range phones {
		if p != "" {
			r.phones = append(r.phones, p)
		}
	}
	r.phones = append(r.phones, more...)
	return r, nil
}

// textOrDigits is a JSON text, or a number exactly as it is written.
func textOrDigits(raw json.RawMessage) (string, error) {
	if len(raw) > 0 && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9') {
		return string(raw), nil
	}
	var text string
	err := json.Unmarshal(raw, &text)
	return text, err
}
