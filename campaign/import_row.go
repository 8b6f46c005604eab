package campaign

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/duration"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
)

// rawContact is a row as texts.
type rawContact struct {
	phones   []string
	zone     string
	at       string
	expires  string
	priority string
	key      string
	data     json.RawMessage
}

// shownPhone is the number that a refusal names.
func (r rawContact) shownPhone() string {
	if len(r.phones) == 0 || len(r.phones[0]) > phone.MaxText {
		return ""
	}
	return r.phones[0]
}

// contact checks a row.
func (in *importer) contact(r rawContact) (k Contact, err error) {
	for _, text := range r.phones {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		number, err := in.number(text)
		if err != nil {
			return k, err
		}
		if !slices.Contains(k.Phones, number) {
			k.Phones = append(k.Phones, number)
		}
	}
	switch {
	case len(k.Phones) == 0:
		return k, fault.New(fault.Invalid, "no phone")
	case len(k.Phones) > MaxPhones:
		return k, fault.New(fault.Limit, "more than %d numbers", MaxPhones)
	case len(r.key) > MaxKeyText:
		return k, fault.New(fault.Limit, "key: more than %d bytes", MaxKeyText)
	case len(r.data) > MaxData:
		return k, fault.New(fault.Limit, "data: more than %d bytes", MaxData)
	}
	k.Key, k.Zone, k.Data = strings.TrimSpace(r.key), strings.TrimSpace(r.zone), r.data
	if err := in.zone(k.Zone); err != nil {
		return k, err
	}
	if k.At, err = in.time("at", r.at, &k); err != nil {
		return k, err
	}
	if k.Expires, err = in.time("expires", r.expires, &k); err != nil {
		return k, err
	}
	if text := strings.TrimSpace(r.priority); text != "" {
		k.Priority, err = strconv.Atoi(text)
		if err != nil || k.Priority < -MaxPriority || k.Priority > MaxPriority {
			return k, fault.New(fault.Invalid, "priority: %q is not %d to %d", text, -MaxPriority, MaxPriority)
		}
	}
	if in.o.Check != nil {
		data := k.Data
		if len(data) == 0 {
			data = json.RawMessage("{}")
		}
		if err := in.o.Check(data); err != nil {
			return k, err
		}
	}
	return k, nil
}

// zone checks a zone's name, each name once in a row of equal ones.
func (in *importer) zone(name string) error {
	if name == in.lastZone {
		return nil
	}
	if err := CheckZone(name); err != nil {
		return err
	}
	in.lastZone = name
	return nil
}

// scientific is a number as spreadsheets show long ones: 7,91E+10.
var scientific = regexp.MustCompile(`^[0-9]+([.,][0-9]+)?[eEеЕ]\+?[0-9]+$`)

func errExcel(text string) error {
	return fault.New(fault.Invalid, "%q is a number that Excel has cut short, its digits are lost", text).
		WithHint("make the column Text in Excel before the numbers are typed or pasted, and export again")
}

// number makes E.164 of a number as written.
func (in *importer) number(text string) (string, error) {
	text = strings.TrimPrefix(text, "'")
	if scientific.MatchString(text) {
		return "", errExcel(text)
	}
	return Number(text, in.o.Country)
}

// Number makes E.164 of a number as written in a country, or says why it is
// none. It is stricter than a dial: contacts are people, not extensions.
func Number(text, country string) (string, error) {
	n := phone.Normalize(strings.TrimSpace(text), country)
	digits, plus := strings.CutPrefix(n, "+")
	switch {
	case !plus || strings.Trim(digits, "0123456789") != "" || len(digits) < phone.ShortestFull || len(digits) > phone.MaxDigits:
		return "", fault.New(fault.Invalid, "%.40q is no phone number", text)
	case digits[0] == '7' && len(digits) != 11:
		return "", fault.New(fault.Invalid, "%.40q has %d digits, numbers of +7 have 11", text, len(digits))
	}
	return n, nil
}

// civilLayouts are times without a zone: the callee's.
var civilLayouts = []string{
	"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04", "02.01.2006 15:04:05", "02.01.2006 15:04",
	"2006-01-02", "02.01.2006",
}

// time reads RFC 3339, a time of the callee's clock, or a duration from now.
func (in *importer) time(name, text string, k *Contact) (time.Time, error) {
	if text = strings.TrimSpace(text); text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC(), nil
	}
	for _, layout := range civilLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			loc, err := time.LoadLocation(ZoneOf(k.Zone, "", k.Phone(), in.o.Zone))
			if err != nil {
				loc = time.UTC
			}
			return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, loc).UTC(), nil
		}
	}
	if d, err := duration.Parse(text); err == nil && !in.o.Now.IsZero() {
		return in.o.Now.Add(d).UTC(), nil
	}
	return time.Time{}, fault.New(fault.Invalid, "%s: %.40q is no time", name, text).
		WithHint(`write "2026-11-21T10:00:00+03:00", "2026-11-21 10:00" or "21.11.2026 10:00"`)
}
