package words

import "strings"

var kazakh = language{
	comma: true, cardinal: kkCardinal, ordinal: kkOrdinal, decimal: kkDecimal, count: kkCount, money: kkMoney, date: kkDate, clock: kkClock,
	group: kkGroup, sign: kkSign, minus: "минус ", plus: "плюс ",
}

var (
	kkUnits  = [...]string{"нөл", "бір", "екі", "үш", "төрт", "бес", "алты", "жеті", "сегіз", "тоғыз"}
	kkTens   = [...]string{1: "он", 2: "жиырма", 3: "отыз", 4: "қырық", 5: "елу", 6: "алпыс", 7: "жетпіс", 8: "сексен", 9: "тоқсан"}
	kkScales = [...]struct {
		value int64
		name  string
	}{{1_000_000_000_000, "триллион"}, {1_000_000_000, "миллиард"}, {1_000_000, "миллион"}, {1000, "мың"}, {100, "жүз"}}
	kkMonths = [...]string{
		"", "қаңтар", "ақпан", "наурыз", "сәуір", "мамыр", "маусым", "шілде", "тамыз", "қыркүйек", "қазан", "қараша", "желтоқсан",
	}
)

// kkPlain says a number without a case ending; one is left out before мың,
// жүз and the like.
func kkPlain(n int64) string {
	var out []string
	for _, s := range kkScales {
		if k := n / s.value; k > 0 {
			if k > 1 {
				out = append(out, kkPlain(k))
			}
			out = append(out, s.name)
			n %= s.value
		}
	}
	if n >= 10 {
		out = append(out, kkTens[n/10])
		n %= 10
	}
	if n > 0 || len(out) == 0 {
		out = append(out, kkUnits[n])
	}
	return strings.Join(out, " ")
}

func kkCardinal(n int64, f Form) string { return kkInflect(kkPlain(n), f.Case) }

// kkOrdinal adds -ыншы or -інші to the last word; жиырма and қырық are irregular.
func kkOrdinal(n int64, f Form) string {
	said := kkPlain(n)
	stem, vowel := said, kkEndsInVowel(said)
	switch {
	case strings.HasSuffix(said, "жиырма"):
		said = strings.TrimSuffix(said, "а") + "асыншы"
	case strings.HasSuffix(said, "қырық"):
		said = strings.TrimSuffix(said, "ық") + "қыншы"
	case vowel && kkFront(stem):
		said += "нші"
	case vowel:
		said += "ншы"
	case kkFront(stem):
		said += "інші"
	default:
		said += "ыншы"
	}
	return kkInflect(said, f.Case)
}

// kkDecimal says «бір бүтін оннан бес».
func kkDecimal(d number, f Form) string {
	if d.fraction == "" {
		return kkCardinal(d.whole, f)
	}
	part := [...]string{"", "оннан", "жүзден", "мыңнан", "он мыңнан", "жүз мыңнан", "миллионнан"}[len(d.fraction)]
	return kkPlain(d.whole) + " бүтін " + part + " " + kkCardinal(fractionValue(d.fraction), f)
}

// kkCount needs one form: the noun does not change after a number.
func kkCount(d number, of []string, f Form) (string, error) {
	return kkDecimal(d, Form{}) + " " + kkInflect(of[0], f.Case), nil
}

func kkCurrency(code string) (major, minor string, ok bool) {
	switch code {
	case "KZT", "":
		return "теңге", "тиын", true
	case "RUB", "RUR", "BYN":
		return "рубль", "тиын", true
	case "USD":
		return "доллар", "цент", true
	case "EUR":
		return "еуро", "цент", true
	case "GBP":
		return "фунт", "пенни", true
	case "CNY":
		return "юань", "фэнь", true
	case "UZS":
		return "сум", "тийин", true
	case "KGS":
		return "сом", "тыйын", true
	}
	return "", "", false
}

func kkMoney(a amount, f Form) (string, error) {
	major, minor, ok := kkCurrency(a.currency)
	if !ok {
		return "", &Error{clip(a.currency), "is no currency known here"}
	}
	switch {
	case a.minor == 0:
		return kkPlain(a.major) + " " + kkInflect(major, f.Case), nil
	case a.major == 0:
		return kkPlain(a.minor) + " " + kkInflect(minor, f.Case), nil
	}
	return kkPlain(a.major) + " " + major + " " + kkPlain(a.minor) + " " + kkInflect(minor, f.Case), nil
}

// kkDate says «он алтыншы тамыз», with the year before it.
func kkDate(d date, f Form) string {
	said := kkOrdinal(int64(d.day), Form{}) + " " + kkInflect(kkMonths[d.month], f.Case)
	if f.Year && d.year > 0 {
		said = kkOrdinal(int64(d.year), Form{}) + " жылғы " + said
	}
	return said
}

func kkClock(hour, minute int, f Form) string {
	if minute == 0 {
		return kkInflect("сағат "+kkPlain(int64(hour)), f.Case)
	}
	return "сағат " + kkPlain(int64(hour)) + " " + kkInflect(kkPlain(int64(minute))+" минут", f.Case)
}

func kkGroup(digits string) string { return saidGroup(digits, kkPlain) }

const (
	kkBackVowels  = "аоуұыёюя"
	kkFrontVowels = "әеөүіиэ"
)

// kkFront tells whether the last vowel of the word is a front one; a soft sign
// counts as one.
func kkFront(word string) bool {
	if strings.HasSuffix(word, "ь") {
		return true
	}
	runes := []rune(strings.ToLower(word))
	for i := len(runes) - 1; i >= 0; i-- {
		if strings.ContainsRune(kkFrontVowels, runes[i]) {
			return true
		}
		if strings.ContainsRune(kkBackVowels, runes[i]) && !(runes[i] == 'у' && i == len(runes)-1) {
			return false // a final у is a glide and follows the vowel before it
		}
	}
	return false
}

func kkEndsInVowel(word string) bool {
	runes := []rune(strings.ToLower(word))
	last := runes[len(runes)-1]
	return last != 'у' && strings.ContainsRune(kkBackVowels+kkFrontVowels, last)
}

// kkInflect adds a case ending by vowel harmony and the last sound. The
// prepositional of the public surface is the locative (жатыс септік).
func kkInflect(said string, c Case) string {
	if c == Nominative || said == "" {
		return said
	}
	runes := []rune(strings.ToLower(said))
	last := runes[len(runes)-1]
	if last == 'ь' && len(runes) > 1 {
		last = runes[len(runes)-2]
	}
	front := kkFront(said)
	vowel := kkEndsInVowel(said)
	hard := strings.ContainsRune("пткқсшщчцхһфбвгд", last)
	nasal := strings.ContainsRune("мнң", last)
	harmony := func(back, frontForm string) string {
		if front {
			return frontForm
		}
		return back
	}
	pick := func(forVowel, forHard, other string) string {
		switch {
		case vowel:
			return forVowel
		case hard:
			return forHard
		}
		return other
	}
	switch c {
	case Genitive:
		if nasal {
			return said + harmony("ның", "нің")
		}
		return said + pick(harmony("ның", "нің"), harmony("тың", "тің"), harmony("дың", "дің"))
	case Dative:
		return said + pick(harmony("ға", "ге"), harmony("қа", "ке"), harmony("ға", "ге"))
	case Accusative:
		return said + pick(harmony("ны", "ні"), harmony("ты", "ті"), harmony("ды", "ді"))
	case Prepositional:
		return said + pick(harmony("да", "де"), harmony("та", "те"), harmony("да", "де"))
	}
	switch { // instrumental: a word of its own to the ear, written together
	case hard:
		return said + "пен"
	case last == 'з' || last == 'ж':
		return said + "бен"
	}
	return said + "мен"
}
