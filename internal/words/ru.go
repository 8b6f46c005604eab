package words

import "strings"

var russian = language{
	comma: true, cardinal: ruCardinal, ordinal: ruOrdinal, decimal: ruDecimal, count: ruCount, money: ruMoney, date: ruDate, clock: ruClock,
	group: ruGroup, sign: ruSign, minus: "минус ", plus: "плюс ",
}

// forms is one word in the six cases.
type forms [cases]string

// decline splits six forms written in one line.
func decline(line string) forms {
	var f forms
	if n := copy(f[:], strings.Fields(line)); n != int(cases) {
		panic("words: not six cases: " + line)
	}
	return f
}

// ruZero and the tables below follow А. А. Зализняк, "Грамматический словарь
// русского языка": declension of numerals.
var (
	ruZero = decline("ноль нуля нулю ноль нулём нуле")
	ruOne  = [...]forms{
		Masculine: decline("один одного одному один одним одном"),
		Feminine:  decline("одна одной одной одну одной одной"),
		Neuter:    decline("одно одного одному одно одним одном"),
		Plural:    decline("одни одних одним одни одними одних"),
	}
	ruTwo = [...]forms{
		Masculine: decline("два двух двум два двумя двух"),
		Feminine:  decline("две двух двум две двумя двух"),
		Neuter:    decline("два двух двум два двумя двух"),
		Plural:    decline("двое двоих двоим двое двоими двоих"),
	}
	ruThree = decline("три трёх трём три тремя трёх")
	ruFour  = decline("четыре четырёх четырём четыре четырьмя четырёх")
	ruTens  = [...]forms{
		4: decline("сорок сорока сорока сорок сорока сорока"),
		9: decline("девяносто девяноста девяноста девяносто девяноста девяноста"),
	}
	ruHundreds = [...]forms{
		1: decline("сто ста ста сто ста ста"),
		2: decline("двести двухсот двумстам двести двумястами двухстах"),
		3: decline("триста трёхсот трёмстам триста тремястами трёхстах"),
		4: decline("четыреста четырёхсот четырёмстам четыреста четырьмястами четырёхстах"),
	}
	// ruSoft are 5 to 20 and 30 without their soft sign.
	ruSoft = [...]string{
		5: "пят", 6: "шест", 7: "сем", 8: "восем", 9: "девят", 10: "десят", 11: "одиннадцат", 12: "двенадцат", 13: "тринадцат", 14: "четырнадцат",
		15: "пятнадцат", 16: "шестнадцат", 17: "семнадцат", 18: "восемнадцат", 19: "девятнадцат", 20: "двадцат", 30: "тридцат",
	}
)

// ruSoftForm is 5 to 20 and 30 in a case: пять, пяти, пятью.
func ruSoftForm(n int, c Case) string {
	stem := ruSoft[n]
	switch c {
	case Nominative, Accusative:
		return stem + "ь"
	case Instrumental:
		return stem + "ью"
	}
	if n == 8 {
		stem = "восьм"
	}
	return stem + "и"
}

func ruUnit(n int, f Form) string {
	switch n {
	case 1:
		return ruOne[f.Gender][f.Case]
	case 2:
		return ruTwo[f.Gender][f.Case]
	case 3:
		return ruThree[f.Case]
	case 4:
		return ruFour[f.Case]
	}
	return ruSoftForm(n, f.Case)
}

func ruTen(n int, c Case) string {
	switch n {
	case 2, 3:
		return ruSoftForm(n*10, c)
	case 4, 9:
		return ruTens[n][c]
	}
	switch c { // пятьдесят: both halves decline
	case Nominative, Accusative:
		return ruSoftForm(n, c) + "десят"
	case Instrumental:
		return ruSoftForm(n, c) + "десятью"
	}
	return ruSoftForm(n, c) + "десяти"
}

func ruHundred(n int, c Case) string {
	if n < 5 {
		return ruHundreds[n][c]
	}
	return ruSoftForm(n, c) + [cases]string{"сот", "сот", "стам", "сот", "стами", "стах"}[c]
}

// ruBelowThousand says 1 to 999.
func ruBelowThousand(n int, f Form) []string {
	var out []string
	if n >= 100 {
		out = append(out, ruHundred(n/100, f.Case))
		n %= 100
	}
	if n > 20 {
		out = append(out, ruTen(n/10, f.Case))
		n %= 10
	}
	switch {
	case n >= 10:
		out = append(out, ruSoftForm(n, f.Case))
	case n > 0:
		out = append(out, ruUnit(n, f))
	}
	return out
}

// ruScales are the nouns of thousands, largest first.
var ruScales = [...]struct {
	value int64
	noun  noun
}{
	{1_000_000_000_000, regular("триллион")},
	{1_000_000_000, regular("миллиард")},
	{1_000_000, regular("миллион")},
	{1000, noun{gender: Feminine, one: decline("тысяча тысячи тысяче тысячу тысячей тысяче"), many: decline("тысячи тысяч тысячам тысячи тысячами тысячах")}},
}

// ruCardinal says a number of inanimate things.
func ruCardinal(n int64, f Form) string {
	if n == 0 {
		return ruZero[f.Case]
	}
	var out []string
	for _, s := range ruScales {
		if k := n / s.value; k > 0 {
			out = append(out, ruBelowThousand(int(k), Form{Case: f.Case, Gender: s.noun.gender})...)
			out = append(out, s.noun.after(k, f.Case))
			n %= s.value
		}
	}
	return strings.Join(append(out, ruBelowThousand(int(n), f)...), " ")
}

// ruParts are the nouns of decimals by their number.
var ruParts = [...]noun{
	1: ordinalNoun("десят"), 2: ordinalNoun("сот"), 3: ordinalNoun("тысячн"), 4: ordinalNoun("десятитысячн"), 5: ordinalNoun("стотысячн"), 6: ordinalNoun("миллионн"),
}

var ruWhole = ordinalNoun("цел")

// ruDecimal says «одна целая пять десятых», or a whole number.
func ruDecimal(d number, f Form) string {
	if d.fraction == "" {
		return ruCardinal(d.whole, f)
	}
	f.Gender = Feminine
	part := fractionValue(d.fraction)
	return strings.Join([]string{
		ruCardinal(d.whole, f), ruWhole.after(d.whole, f.Case), ruCardinal(part, f), ruParts[len(d.fraction)].after(part, f.Case),
	}, " ")
}

func fractionValue(digits string) int64 {
	var v int64
	for _, r := range digits {
		v = v*10 + int64(r-'0')
	}
	return v
}

// ruGroup says a group of a phone number; leading zeros are said one by one.
func ruGroup(digits string) string {
	return saidGroup(digits, func(n int64) string { return ruCardinal(n, Form{}) })
}

func saidGroup(digits string, cardinal func(int64) string) string {
	var out []string
	for strings.HasPrefix(digits, "0") {
		out, digits = append(out, cardinal(0)), digits[1:]
	}
	if digits != "" {
		out = append(out, cardinal(fractionValue(digits)))
	}
	return strings.Join(out, " ")
}
