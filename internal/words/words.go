// Package words puts numbers, money, dates, times, counted things, phone
// numbers and codes into words, ready for a speech engine: Russian in all
// cases and genders, English and Kazakh. Engines get this wrong ("до
// шестнадцать августа"), and each in its own way.
//
// Russian words are written with ё, since engines that read е for it mispronounce
// them. A language that is not known comes back in numerals, spaced so that the
// engine reads them well: a prompt is never silent.
//
// # Limits
//
// Numbers below MaxNumber with up to MaxFraction decimals; texts up to MaxText
// characters.
//
// # Errors
//
// An *Error quotes the text that is no number, date, time, case or currency.
package words

import (
	"fmt"
	"strings"
	"time"
)

// Limits of what is put into words.
const (
	MaxNumber   = 1_000_000_000_000_000 // exclusive
	MaxFraction = 6                     // decimals of a number
	MaxText     = 200                   // characters of digits, spell and phone
)

// Case is a grammatical case by the names of the public surface. English has
// none; Kazakh takes pre as its locative.
type Case uint8

// The cases, in the order of the tables.
const (
	Nominative Case = iota
	Genitive
	Dative
	Accusative
	Instrumental
	Prepositional
	cases
)

// Gender is a grammatical gender; only Russian has them.
type Gender uint8

// The genders, in the order of the tables.
const (
	Masculine Gender = iota
	Feminine
	Neuter
	Plural
)

// Form is how a number or date stands in its sentence.
type Form struct {
	Case   Case
	Gender Gender // of what is counted; for Count it is found out, unless GenderSet
	Year   bool   // also say the year of a date

	GenderSet bool
}

// Error says what could not be put into words.
type Error struct{ Text, Reason string }

func (e *Error) Error() string { return fmt.Sprintf("words: %q %s", e.Text, e.Reason) }

// ParseCase reads nom, gen, dat, acc, ins or pre; "" is nom.
func ParseCase(name string) (Case, error) {
	if name == "" {
		return Nominative, nil
	}
	for i, n := range [cases]string{"nom", "gen", "dat", "acc", "ins", "pre"} {
		if n == name {
			return Case(i), nil
		}
	}
	return 0, &Error{clip(name), "is no case: nom, gen, dat, acc, ins, pre"}
}

// ParseGender reads m, f or n, or the words masculine, feminine, neuter; ""
// is m.
func ParseGender(name string) (Gender, error) {
	switch name {
	case "", "m", "masculine":
		return Masculine, nil
	case "f", "feminine":
		return Feminine, nil
	case "n", "neuter":
		return Neuter, nil
	}
	return 0, &Error{clip(name), "is no gender: m, f, n"}
}

// language is how one language says things.
type language struct {
	comma    bool // 1,521 is a decimal, not thousands
	cardinal func(n int64, f Form) string
	ordinal  func(n int64, f Form) string
	decimal  func(d number, f Form) string
	count    func(d number, of []string, f Form) (string, error)
	money    func(a amount, f Form) (string, error)
	date     func(d date, f Form) string
	clock    func(hour, minute int, f Form) string
	group    func(digits string) string // one group of a phone number
	sign     func(r rune) string        // one character by its name; "" if it has none
	minus    string                     // before a number, with the space that parts them
	plus     string
}

// speak finds the language of a BCP 47 tag.
func speak(tag string) *language {
	base, _, _ := strings.Cut(strings.ToLower(tag), "-")
	switch base {
	case "ru":
		return &russian
	case "en":
		return &english
	case "kk":
		return &kazakh
	}
	return &numerals
}

// Known tells whether the language has words here.
func Known(tag string) bool { return speak(tag) != &numerals }

// Number says a number: "1521,50", "21", "-3".
func Number(tag, text string, f Form) (string, error) {
	l := speak(tag)
	n, err := parseNumber(text, l.comma)
	if err != nil {
		return "", err
	}
	return l.signed(n, l.decimal(n.abs(), f)), nil
}

// Ordinal says the n-th: "21" is «двадцать первый».
func Ordinal(tag, text string, f Form) (string, error) {
	l := speak(tag)
	n, err := parseNumber(text, l.comma)
	if err != nil {
		return "", err
	}
	if n.negative || n.fraction != "" {
		return "", &Error{clip(text), "has no ordinal"}
	}
	return l.ordinal(n.whole, f), nil
}

// Count says a number of things: 21, [заказ заказа заказов] is «двадцать один
// заказ». English takes two forms, Kazakh one. In the Russian cases but nom
// and acc the forms are declined; when the second and the third are alike they
// are taken to stand in that case already.
func Count(tag, text string, of []string, f Form) (string, error) {
	l := speak(tag)
	n, err := parseNumber(text, l.comma)
	if err != nil {
		return "", err
	}
	if len(of) == 0 || len(of) > 3 {
		return "", &Error{clip(strings.Join(of, ", ")), "are not one to three forms of a noun"}
	}
	said, err := l.count(n.abs(), of, f)
	if err != nil {
		return "", err
	}
	return l.signed(n, said), nil
}

// Money says an amount: "1521,50" RUB. Amounts are rounded to the smaller
// unit, and a part that is zero is left out.
func Money(tag, text, currency string, f Form) (string, error) {
	l := speak(tag)
	n, err := parseNumber(text, l.comma)
	if err != nil {
		return "", err
	}
	a := amount{currency: strings.ToUpper(currency)}
	a.major, a.minor = n.hundredths()
	said, err := l.money(a, f)
	if err != nil {
		return "", err
	}
	if a.major == 0 && a.minor == 0 {
		n.negative = false
	}
	return l.signed(n, said), nil
}

// Date says a date: 2025-08-16 (also with a time behind it), 16.08.2025, 16.08.
func Date(tag, text string, f Form) (string, error) {
	d, err := parseDate(text)
	if err != nil {
		return "", err
	}
	return speak(tag).date(d, f), nil
}

// NeedsYear reports whether a date is not understood without its year: one that
// is a year or more ahead of today, or lies more than half a year back. today is
// in the zone of who hears it; a text that is no date needs none.
func NeedsYear(text string, today time.Time) bool {
	d, err := parseDate(text)
	if err != nil || d.year == 0 {
		return false
	}
	at := time.Date(d.year, time.Month(d.month), d.day, 0, 0, 0, 0, time.UTC)
	now := time.Date(today.Year(), today.Month(), today.Day(), 0, 0, 0, 0, time.UTC)
	return !at.Before(now.AddDate(1, 0, 0)) || at.Before(now.AddDate(0, -6, 0))
}

// Time says a time of day: 10:30, or the one inside an ISO instant.
func Time(tag, text string, f Form) (string, error) {
	hour, minute, err := parseClock(text)
	if err != nil {
		return "", err
	}
	return speak(tag).clock(hour, minute, f), nil
}

func (l *language) signed(n number, said string) string {
	if n.negative {
		return l.minus + said
	}
	return said
}

// clip bounds what an error quotes.
func clip(text string) string {
	const longest = 40
	if r := []rune(text); len(r) > longest {
		return string(r[:longest]) + "…"
	}
	return text
}
