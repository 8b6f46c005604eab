package words

import "strings"

var english = language{
	cardinal: enCardinal, ordinal: enOrdinal, decimal: enDecimal, count: enCount, money: enMoney, date: enDate, clock: enClock,
	group: enGroup, sign: enSign, minus: "minus ", plus: "plus ",
}

var (
	enSmall = [...]string{
		"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen",
		"sixteen", "seventeen", "eighteen", "nineteen",
	}
	enTens   = [...]string{2: "twenty", 3: "thirty", 4: "forty", 5: "fifty", 6: "sixty", 7: "seventy", 8: "eighty", 9: "ninety"}
	enScales = [...]struct {
		value int64
		name  string
	}{{1_000_000_000_000, "trillion"}, {1_000_000_000, "billion"}, {1_000_000, "million"}, {1000, "thousand"}, {100, "hundred"}}
	enMonths = [...]string{
		"", "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
	}
)

func enCardinal(n int64, _ Form) string {
	var out []string
	for _, s := range enScales {
		if n >= s.value {
			out = append(out, enCardinal(n/s.value, Form{}), s.name)
			n %= s.value
		}
	}
	switch {
	case n >= 20 && n%10 > 0:
		out = append(out, enTens[n/10]+"-"+enSmall[n%10])
	case n >= 20:
		out = append(out, enTens[n/10])
	case n > 0 || len(out) == 0:
		out = append(out, enSmall[n])
	}
	return strings.Join(out, " ")
}

// enOrdinal changes the last word of the cardinal.
func enOrdinal(n int64, f Form) string {
	said := enCardinal(n, f)
	i := strings.LastIndexAny(said, " -") + 1
	head, last := said[:i], said[i:]
	switch last {
	case "one":
		last = "first"
	case "two":
		last = "second"
	case "three":
		last = "third"
	case "five", "twelve":
		last = strings.TrimSuffix(last, "ve") + "fth"
	case "eight":
		last = "eighth"
	case "nine":
		last = "ninth"
	default:
		if tens, ok := strings.CutSuffix(last, "y"); ok {
			last = tens + "ieth"
		} else {
			last += "th"
		}
	}
	return head + last
}

func enDecimal(d number, f Form) string {
	said := enCardinal(d.whole, f)
	if d.fraction == "" {
		return said
	}
	said += " point"
	for _, r := range d.fraction {
		said += " " + enSmall[r-'0']
	}
	return said
}

func enCount(d number, of []string, f Form) (string, error) {
	form := of[len(of)-1]
	if d.whole == 1 && d.fraction == "" {
		form = of[0]
	}
	return enDecimal(d, f) + " " + form, nil
}

func enCurrency(code string) (units [4]string, ok bool) {
	switch code {
	case "RUB", "RUR", "BYN", "":
		return [4]string{"ruble", "rubles", "kopeck", "kopecks"}, true
	case "USD":
		return [4]string{"dollar", "dollars", "cent", "cents"}, true
	case "EUR":
		return [4]string{"euro", "euros", "cent", "cents"}, true
	case "KZT":
		return [4]string{"tenge", "tenge", "tiyn", "tiyn"}, true
	case "UAH":
		return [4]string{"hryvnia", "hryvnias", "kopiyka", "kopiykas"}, true
	case "GBP":
		return [4]string{"pound", "pounds", "penny", "pence"}, true
	case "CNY":
		return [4]string{"yuan", "yuan", "fen", "fen"}, true
	case "UZS":
		return [4]string{"som", "som", "tiyin", "tiyin"}, true
	case "KGS":
		return [4]string{"som", "som", "tyiyn", "tyiyn"}, true
	case "AMD":
		return [4]string{"dram", "drams", "luma", "luma"}, true
	case "AZN":
		return [4]string{"manat", "manats", "qapik", "qapiks"}, true
	case "GEL":
		return [4]string{"lari", "lari", "tetri", "tetri"}, true
	case "TRY":
		return [4]string{"lira", "lira", "kurush", "kurush"}, true
	}
	return units, false
}

func enMoney(a amount, f Form) (string, error) {
	units, ok := enCurrency(a.currency)
	if !ok {
		return "", &Error{clip(a.currency), "is no currency known here"}
	}
	var out []string
	if a.major > 0 || a.minor == 0 {
		said, _ := enCount(number{whole: a.major}, units[:2], f) // enCount never fails
		out = append(out, said)
	}
	if a.minor > 0 {
		said, _ := enCount(number{whole: a.minor}, units[2:], f)
		out = append(out, said)
	}
	return strings.Join(out, " and "), nil
}

func enDate(d date, f Form) string {
	said := enMonths[d.month] + " " + enOrdinal(int64(d.day), Form{})
	if f.Year && d.year > 0 {
		said += ", " + enYear(int64(d.year))
	}
	return said
}

// enYear says nineteen ninety-nine, two thousand five, twenty twenty-five.
func enYear(y int64) string {
	century, rest := y/100, y%100
	switch {
	case y < 1000 || y > 9999 || century%10 == 0 && rest < 10:
		return enCardinal(y, Form{})
	case rest == 0:
		return enCardinal(century, Form{}) + " hundred"
	case rest < 10:
		return enCardinal(century, Form{}) + " oh " + enCardinal(rest, Form{})
	}
	return enCardinal(century, Form{}) + " " + enCardinal(rest, Form{})
}

func enClock(hour, minute int, _ Form) string {
	half := "a.m."
	if hour >= 12 {
		half = "p.m."
	}
	said := enCardinal(int64((hour+11)%12+1), Form{})
	switch {
	case minute == 0:
	case minute < 10:
		said += " oh " + enSmall[minute]
	default:
		said += " " + enCardinal(int64(minute), Form{})
	}
	return said + " " + half
}

// enGroup says the digits of a phone number one by one.
func enGroup(digits string) string {
	out := make([]string, len(digits))
	for i := range len(digits) {
		out[i] = enSmall[digits[i]-'0']
	}
	return strings.Join(out, " ")
}
