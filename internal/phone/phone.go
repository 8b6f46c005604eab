// Package phone turns what people write and carriers send into E.164, says
// what is known of a number, and writes it as a trunk wants it.
//
// Normalize is the hot path: it works on bytes and knows the numbering of the
// project's country; most calls never touch the world's numbering plans. Those
// are 50 KB of packed text in the binary (plans.txt.gz, from the metadata of
// libphonenumber) that is unpacked at the first number that needs it: the
// library that holds the same data costs every process 7 ms and 2.5 MB at
// start, and each script worker is a process. Tests compare the two.
//
// # Concurrency
//
// All functions may be called from any goroutine.
//
// # Limits
//
// Texts longer than MaxText are no numbers; E.164 has at most 15 digits.
package phone

import "strings"

// Limits of a number.
const (
	MaxText      = 64 // characters that are looked at, separators included
	MaxDigits    = 15 // ITU-T E.164 §6
	ShortestFull = 7  // fewer digits are an extension or a service and stay as they are
)

// Prefix is the country's prefix, "+7" for RU; "" for what is no country.
func Prefix(country string) string {
	if country == "RU" || country == "KZ" {
		return "+7"
	}
	if p := planOf(country); p != nil {
		return "+" + p.code
	}
	return ""
}

// Normalize makes E.164 of a number as dialled or received in a country (ISO
// 3166). What it does not understand, extensions shorter than ShortestFull and
// names of SIP users come back unchanged.
func Normalize(text, country string) string {
	digits, plus, ok := clean(text)
	if !ok || len(digits) < ShortestFull || len(digits) > MaxDigits+4 {
		return text
	}
	if !plus && (country == "RU" || country == "KZ") {
		if e164 := zone7(digits); e164 != "" {
			return e164
		}
	}
	if plus && len(digits) == 11 && digits[0] == '7' {
		return "+" + digits
	}
	if n := parseDigits(digits, plus, country); n.Valid {
		return n.E164
	}
	if plus && len(digits) <= MaxDigits {
		return "+" + digits // explicit, even where the plans do not know it yet
	}
	return text
}

// zone7 is Normalize for Russia and Kazakhstan: 8… and 7… with eleven digits,
// ten digits, 810… and 00….
func zone7(digits string) string {
	const national = 10
	switch {
	case len(digits) == national:
		return "+7" + digits
	case strings.HasPrefix(digits, "810") && len(digits) > national:
		return international(digits[3:])
	case len(digits) == national+1 && (digits[0] == '8' || digits[0] == '7'):
		return "+7" + digits[1:]
	case strings.HasPrefix(digits, "00"):
		return international(digits[2:])
	}
	return ""
}

func international(digits string) string {
	if len(digits) < ShortestFull || len(digits) > MaxDigits || digits[0] == '0' {
		return ""
	}
	return "+" + digits
}

// clean drops separators; ok is false for anything that is no number.
func clean(text string) (digits string, plus, ok bool) {
	if len(text) > MaxText {
		return "", false, false
	}
	text = strings.TrimPrefix(strings.TrimSpace(text), "tel:")
	if simple := strings.TrimPrefix(text, "+"); onlyDigits(simple) {
		return simple, len(simple) < len(text), simple != ""
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case (r == '+' || r == '＋') && b.Len() == 0 && !plus:
			plus = true
		case strings.ContainsRune(" \u00a0\u2007\u202f()-–—‐‑.,/", r):
		default:
			return "", false, false
		}
	}
	return b.String(), plus, b.Len() > 0
}

// Dialable tells whether a number without its + can be dialled: digits, * and #.
func Dialable(digits string) bool {
	return digits != "" && strings.Trim(digits, "0123456789*#") == ""
}

func onlyDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// Mask hides the middle of a number for logs: "+7916***0001". Extensions and
// names stay as they are.
func Mask(number string) string {
	digits := strings.TrimPrefix(number, "+")
	if !onlyDigits(digits) || len(digits) < ShortestFull {
		return number
	}
	head, tail := len(number)-len(digits)+4, 4
	if len(digits) < 10 {
		head, tail = head-2, 2
	}
	return number[:head] + "***" + number[len(number)-tail:]
}
