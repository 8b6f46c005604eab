package words

import "strings"

var (
	ruRouble = ruNouns[1]
	ruKopeck = noun{gender: Feminine, one: decline("копейка копейки копейке копейку копейкой копейке"), many: decline("копейки копеек копейкам копейки копейками копейках")}
	ruPound  = suffixed(regular("фунт"), " стерлингов")
)

func suffixed(n noun, tail string) noun {
	for c := range n.one {
		n.one[c] += tail
		n.many[c] += tail
	}
	return n
}

// ruCurrency are the two units of a currency (ISO 4217).
func ruCurrency(code string) (major, minor noun, ok bool) {
	switch code {
	case "RUB", "RUR", "BYN", "":
		return ruRouble, ruKopeck, true
	case "USD":
		return regular("доллар"), regular("цент"), true
	case "EUR":
		return fixed("евро"), regular("цент"), true
	case "KZT":
		return fixed("тенге"), regular("тиын"), true
	case "UAH":
		return noun{gender: Feminine, one: decline("гривна гривны гривне гривну гривной гривне"), many: decline("гривны гривен гривнам гривны гривнами гривнах")}, ruKopeck, true
	case "GBP":
		return ruPound, regular("пенс"), true
	case "CNY":
		return nounOf([3]string{"юань", "юаня", "юаней"}), nounOf([3]string{"фэнь", "фэня", "фэней"}), true
	case "UZS":
		return regular("сум"), regular("тийин"), true
	case "KGS":
		return regular("сом"), regular("тыйын"), true
	case "AMD":
		return regular("драм"), regular("лум"), true
	case "AZN":
		return regular("манат"), regular("гяпик"), true
	case "GEL":
		return fixed("лари"), fixed("тетри"), true
	case "TRY":
		return nounOf([3]string{"лира", "лиры", "лир"}), regular("куруш"), true
	}
	return noun{}, noun{}, false
}

func ruMoney(a amount, f Form) (string, error) {
	major, minor, ok := ruCurrency(a.currency)
	if !ok {
		return "", &Error{clip(a.currency), "is no currency known here"}
	}
	var out []string
	if a.major > 0 || a.minor == 0 {
		out = append(out, ruCardinal(a.major, Form{Case: f.Case, Gender: major.gender}), major.after(a.major, f.Case))
	}
	if a.minor > 0 {
		out = append(out, ruCardinal(a.minor, Form{Case: f.Case, Gender: minor.gender}), minor.after(a.minor, f.Case))
	}
	return strings.Join(out, " "), nil
}
