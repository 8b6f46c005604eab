package words

import (
	"strconv"
	"strings"
	"time"
)

// number is a decimal as written, without rounding.
type number struct {
	negative bool
	whole    int64
	fraction string // digits after the point, no trailing zeros
}

func (n number) abs() number {
	n.negative = false
	return n
}

// hundredths is the number rounded half up to two decimals.
func (n number) hundredths() (whole, cents int64) {
	padded := n.fraction + "000"
	cents, _ = strconv.ParseInt(padded[:2], 10, 64) // digits by construction
	if padded[2] >= '5' {
		cents++
	}
	return n.whole + cents/100, cents % 100
}

// amount is money in two units.
type amount struct {
	currency     string // ISO 4217
	major, minor int64
}

// parseNumber reads digits with a decimal comma or point, spaces, apostrophes
// or the other mark between thousands. With only one comma and three digits
// behind it the language decides.
func parseNumber(text string, comma bool) (number, error) {
	bad := &Error{clip(text), "is no number"}
	s := strings.TrimSpace(text)
	if len(s) > MaxText {
		return number{}, bad
	}
	var n number
	for _, sign := range []string{"-", "−", "+"} {
		if rest, ok := strings.CutPrefix(s, sign); ok {
			n.negative, s = sign != "+", rest
			break
		}
	}
	s = strings.NewReplacer(" ", "", "\u00a0", "", "\u202f", "", "'", "", "_", "").Replace(s)
	whole, fraction, ok := splitDecimal(s, comma)
	if !ok || !digitsOnly(whole) || !digitsOnly(fraction) || whole+fraction == "" {
		return number{}, bad
	}
	if fraction = strings.TrimRight(fraction, "0"); len(fraction) > MaxFraction {
		return number{}, &Error{clip(text), "has more than six decimals"}
	}
	if whole = strings.TrimLeft(whole, "0"); len(whole) > len(strconv.Itoa(MaxNumber))-1 {
		return number{}, &Error{clip(text), "is too large to be said"}
	}
	n.fraction = fraction
	if whole != "" {
		n.whole, _ = strconv.ParseInt(whole, 10, 64) // at most 15 digits
	}
	if n.whole == 0 && n.fraction == "" {
		n.negative = false
	}
	return n, nil
}

func splitDecimal(s string, comma bool) (whole, fraction string, ok bool) {
	commas, points := strings.Count(s, ","), strings.Count(s, ".")
	mark := "."
	switch {
	case commas > 0 && points > 0: // the last one is the decimal mark
		if strings.LastIndex(s, ",") > strings.LastIndex(s, ".") {
			mark = ","
		}
	case commas > 1 || points > 1: // only thousands
		return thousands(s)
	case commas == 1:
		if !comma && len(s)-strings.Index(s, ",") == 4 {
			return thousands(s)
		}
		mark = ","
	}
	i := strings.LastIndex(s, mark)
	if i < 0 {
		return s, "", true
	}
	whole, _, ok = thousands(s[:i])
	return whole, s[i+1:], ok
}

// thousands joins groups of three: 1.521.000.
func thousands(s string) (whole, fraction string, ok bool) {
	groups := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == '.' })
	for _, g := range groups[min(1, len(groups)):] {
		if len(g) != 3 {
			return "", "", false
		}
	}
	return strings.Join(groups, ""), "", true
}

func digitsOnly(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// date is a civil date; year 0 is none.
type date struct{ year, month, day int }

func parseDate(text string) (date, error) {
	s := strings.TrimSpace(text)
	if i := strings.IndexAny(s, "T "); i > 0 {
		s = s[:i]
	}
	for _, layout := range []string{"2006-01-02", "02.01.2006", "2.1.2006", "02.01.06", "02/01/2006", "20060102"} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() > 0 {
			return date{t.Year(), int(t.Month()), t.Day()}, nil
		}
	}
	// 2000 stands in for the missing year, being a leap year.
	if t, err := time.Parse("02.01.2006", s+".2000"); err == nil {
		return date{0, int(t.Month()), t.Day()}, nil
	}
	return date{}, &Error{clip(text), "is no date such as 2025-08-16 or 16.08.2025"}
}

func parseClock(text string) (hour, minute int, err error) {
	s := strings.TrimSpace(text)
	if i := strings.IndexAny(s, "T "); i >= len("2006-01-02") {
		s = s[i+1:]
		s = strings.TrimRight(s, "Z")
		if i := strings.IndexAny(s, "+-"); i > 0 {
			s = s[:i]
		}
		s, _, _ = strings.Cut(s, ".")
	}
	for _, layout := range []string{"15:04", "15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Hour(), t.Minute(), nil
		}
	}
	return 0, 0, &Error{clip(text), "is no time such as 10:30"}
}
