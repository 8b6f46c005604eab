package words

import "strings"

// ruAdjective are the endings of ordinals by gender and case; the nominative
// masculine is -ый, or -ой when the ending is stressed.
var ruAdjective = [...]forms{
	Masculine: decline("ый ого ому ый ым ом"),
	Feminine:  decline("ая ой ой ую ой ой"),
	Neuter:    decline("ое ого ому ое ым ом"),
	Plural:    decline("ые ых ым ые ыми ых"),
}

var ruThird = [...]forms{
	Masculine: decline("третий третьего третьему третий третьим третьем"),
	Feminine:  decline("третья третьей третьей третью третьей третьей"),
	Neuter:    decline("третье третьего третьему третье третьим третьем"),
	Plural:    decline("третьи третьих третьим третьи третьими третьих"),
}

// ruStem is the stem of the ordinal of 0 to 20, of tens and of hundreds.
func ruStem(n int) (stem string, stressed bool) {
	switch n {
	case 0:
		return "нулев", true
	case 1:
		return "перв", false
	case 2:
		return "втор", true
	case 4:
		return "четвёрт", false
	case 6:
		return "шест", true
	case 7:
		return "седьм", true
	case 8:
		return "восьм", true
	case 40:
		return "сороков", true
	case 90:
		return "девяност", false
	case 100:
		return "сот", false
	}
	switch {
	case n > 100:
		return ruHundred(n/100, Genitive), false // двухсот, трёхсот, пятисот
	case n > 30:
		return ruSoftForm(n/10, Genitive) + "десят", false // пятидесят
	}
	return ruSoft[n], false
}

func ruEnd(stem string, stressed bool, f Form) string {
	if stressed && f.Gender == Masculine && (f.Case == Nominative || f.Case == Accusative) {
		return stem + "ой"
	}
	return stem + ruAdjective[f.Gender][f.Case]
}

// ruOrdinal says the n-th: only the last word is an ordinal, those before it
// are cardinals in the nominative; «тысяча девятьсот», not «одна тысяча».
func ruOrdinal(n int64, f Form) string {
	last := n % 1000
	if last == 0 && n > 0 {
		return ruScaleOrdinal(n, f)
	}
	low := int(last)
	if low%100 > 0 {
		low %= 100
	}
	if low > 20 && low < 100 && low%10 > 0 {
		low %= 10
	}
	word := ruThird[f.Gender][f.Case]
	if low != 3 {
		stem, stressed := ruStem(low)
		word = ruEnd(stem, stressed, f)
	}
	return ruBefore(n-int64(low)) + word
}

// ruBefore is the cardinal in front of the ordinal, with a space behind.
func ruBefore(n int64) string {
	if n == 0 {
		return ""
	}
	said := ruCardinal(n, Form{})
	for _, first := range []string{"одна тысяча", "один миллион", "один миллиард", "один триллион"} {
		if rest, ok := strings.CutPrefix(said, first); ok && (rest == "" || rest[0] == ' ') {
			_, scale, _ := strings.Cut(first, " ")
			said = scale + rest
		}
	}
	return said + " "
}

// ruScaleOrdinal says round thousands and more: двухтысячный,
// двадцатипятитысячный, миллионный.
func ruScaleOrdinal(n int64, f Form) string {
	for i := len(ruScales) - 1; i >= 0; i-- {
		scale := ruScales[i]
		if k := n / scale.value % 1000; k > 0 {
			stem := scale.noun.one[Nominative]
			stem = strings.TrimSuffix(stem, "а") + "н" // тысячн, миллионн
			return ruBefore(n-k*scale.value) + ruEnd(ruJoined(int(k))+stem, false, f)
		}
	}
	return ""
}

// ruJoined is the number glued in front of -тысячный: genitives, but одно,
// сто and девяносто.
func ruJoined(n int) string {
	if n == 1 {
		return ""
	}
	var b strings.Builder
	if n >= 100 {
		if n/100 == 1 {
			b.WriteString("сто")
		} else {
			b.WriteString(ruHundred(n/100, Genitive))
		}
		n %= 100
	}
	if n > 20 {
		if n/10 == 9 {
			b.WriteString("девяносто")
		} else {
			b.WriteString(ruTen(n/10, Genitive))
		}
		n %= 10
	}
	switch {
	case n == 1:
		b.WriteString("одно")
	case n >= 10:
		b.WriteString(ruSoftForm(n, Genitive))
	case n > 0:
		b.WriteString(ruUnit(n, Form{Case: Genitive}))
	}
	return b.String()
}

var ruMonths = [...]string{
	"", "января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября", "декабря",
}

// ruDate says «шестнадцатое августа» in its case; the year is always in the
// genitive.
func ruDate(d date, f Form) string {
	said := ruOrdinal(int64(d.day), Form{Case: f.Case, Gender: Neuter}) + " " + ruMonths[d.month]
	if f.Year && d.year > 0 {
		said += " " + ruOrdinal(int64(d.year), Form{Case: Genitive}) + " года"
	}
	return said
}

var (
	ruHour   = regular("час")
	ruMinute = noun{gender: Feminine, one: decline("минута минуты минуте минуту минутой минуте"), many: decline("минуты минут минутам минуты минутами минутах")}
)

func ruClock(hour, minute int, f Form) string {
	said := ruCardinal(int64(hour), Form{Case: f.Case}) + " " + ruHour.after(int64(hour), f.Case)
	if minute > 0 {
		said += " " + ruCardinal(int64(minute), Form{Case: f.Case, Gender: Feminine}) + " " + ruMinute.after(int64(minute), f.Case)
	}
	return said
}
