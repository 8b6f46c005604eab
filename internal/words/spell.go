package words

import (
	"strconv"
	"strings"
)

// Digits says digit after digit: an order number, a code. Letters are spelled;
// separators become pauses.
func Digits(tag, text string) (string, error) {
	return each(tag, text, " ", func(r rune) bool { return strings.ContainsRune(" -–—./_,:#№", r) })
}

// Spell says every character by its name, with pauses.
func Spell(tag, text string) (string, error) {
	return each(tag, text, ", ", func(r rune) bool { return r == ' ' })
}

// each says characters one by one; pause tells those that only part groups.
func each(tag, text, between string, pause func(rune) bool) (string, error) {
	l := speak(tag)
	var groups []string
	var said []string
	flush := func() {
		if len(said) > 0 {
			groups = append(groups, strings.Join(said, between))
		}
		said = nil
	}
	count := 0
	for _, r := range text {
		if count++; count > MaxText {
			return "", &Error{clip(text), "is too long to be said character by character"}
		}
		switch {
		case pause(r):
			flush()
		case r >= '0' && r <= '9':
			said = append(said, l.cardinal(int64(r-'0'), Form{}))
		default:
			if name := l.sign(r); name != "" {
				said = append(said, name)
			}
		}
	}
	flush()
	if len(groups) == 0 {
		return "", &Error{clip(text), "has nothing to say"}
	}
	return strings.Join(groups, ", "), nil
}

// Phone says a phone number in groups with pauses: «плюс семь, девятьсот
// двенадцать, триста сорок пять, шестьдесят семь, восемьдесят девять».
func Phone(tag, text string) (string, error) {
	l := speak(tag)
	var digits strings.Builder
	plus := strings.HasPrefix(strings.TrimSpace(text), "+")
	for _, r := range text {
		switch {
		case r >= '0' && r <= '9':
			digits.WriteRune(r)
		case strings.ContainsRune("+ \u00a0()-–—.", r):
		default:
			return "", &Error{clip(text), "is no phone number"}
		}
	}
	if digits.Len() == 0 || digits.Len() > 20 {
		return "", &Error{clip(text), "is no phone number"}
	}
	var said []string
	for _, g := range phoneGroups(digits.String()) {
		said = append(said, l.group(g))
	}
	if plus {
		said[0] = l.plus + said[0]
	}
	return strings.Join(said, ", "), nil
}

// phoneLayouts is how people group numbers of so many digits: +7 912 345 67 89,
// +375 29 123 45 67.
var phoneLayouts = [...][]int{
	4: {2, 2}, 5: {1, 2, 2}, 6: {2, 2, 2}, 7: {3, 2, 2}, 8: {2, 2, 2, 2}, 9: {3, 2, 2, 2}, 10: {3, 3, 2, 2}, 11: {1, 3, 3, 2, 2}, 12: {3, 2, 3, 2, 2},
}

func phoneGroups(d string) []string {
	var layout []int
	if len(d) < len(phoneLayouts) {
		layout = phoneLayouts[len(d)]
	}
	var groups []string
	for i := 0; d != ""; i++ {
		n := min(3, len(d))
		if i < len(layout) {
			n = layout[i]
		}
		groups, d = append(groups, d[:n]), d[n:]
	}
	return groups
}

var (
	ruLetters = letterNames("а а б бэ в вэ г гэ д дэ е е ё ё ж жэ з зэ и и й и-краткое к ка л эль м эм н эн о о п пэ р эр с эс т тэ у у ф эф х ха ц цэ ч че ш ша щ ща ъ твёрдый-знак ы ы ь мягкий-знак э э ю ю я я " +
		"a эй b би c си d ди e и f эф g джи h эйч i ай j джей k кей l эл m эм n эн o оу p пи q кью r ар s эс t ти u ю v ви w дабл-ю x икс y уай z зет")
	ruSigns = signNames("дефис точка запятая дробь собака подчёркивание плюс звёздочка решётка двоеточие номер процентов")
	enSigns = signNames("dash dot comma slash at underscore plus star pound colon number percent")
	kkSigns = signNames("дефис нүкте үтір қиғаш-сызық ат-белгі астыңғы-сызық плюс жұлдызша тор қос-нүкте нөмір пайыз")
	kkOwn   = letterNames("ә ә ғ ғы қ қы ң ың ө ө ұ ұ ү ү һ һы і і")
)

// letterNames reads pairs; a hyphen in a name stands for a space.
func letterNames(pairs string) map[rune]string {
	fields := strings.Fields(pairs)
	out := make(map[rune]string, len(fields)/2)
	for i := 0; i+1 < len(fields); i += 2 {
		out[[]rune(fields[i])[0]] = strings.ReplaceAll(fields[i+1], "-", " ")
	}
	return out
}

func signNames(names string) map[rune]string {
	fields := strings.Fields(names)
	out := make(map[rune]string, len(fields))
	for i, r := range []rune("-.,/@_+*#:№%") {
		out[r] = strings.ReplaceAll(fields[i], "-", " ")
	}
	return out
}

func lower(r rune) rune { return []rune(strings.ToLower(string(r)))[0] }

func ruSign(r rune) string {
	if name, ok := ruLetters[lower(r)]; ok {
		return name
	}
	return ruSigns[r]
}

func kkSign(r rune) string {
	if name, ok := kkOwn[lower(r)]; ok {
		return name
	}
	if name, ok := kkSigns[r]; ok {
		return name
	}
	return ruLetters[lower(r)]
}

// enSign leaves letters to the engine, which knows their names.
func enSign(r rune) string {
	if name, ok := enSigns[r]; ok {
		return name
	}
	if u := strings.ToUpper(string(r)); u != strings.ToLower(string(r)) {
		return u
	}
	return ""
}

// numerals is the fallback for languages without words here: figures, spaced
// so that engines read them as meant.
var numerals = language{
	cardinal: func(n int64, _ Form) string { return strconv.FormatInt(n, 10) },
	ordinal:  func(n int64, _ Form) string { return strconv.FormatInt(n, 10) + "." },
	decimal:  func(d number, _ Form) string { return d.String() },
	count: func(d number, of []string, _ Form) (string, error) {
		form := of[len(of)-1]
		if d.whole == 1 && d.fraction == "" {
			form = of[0]
		}
		return d.String() + " " + form, nil
	},
	money: func(a amount, _ Form) (string, error) {
		return strings.TrimSpace(number{whole: a.major, fraction: cents(a.minor)}.String() + " " + a.currency), nil
	},
	date: func(d date, f Form) string {
		said := strconv.Itoa(d.day) + "." + strconv.Itoa(d.month) + "."
		if f.Year && d.year > 0 {
			said += strconv.Itoa(d.year)
		}
		return said
	},
	clock: func(hour, minute int, _ Form) string {
		return strconv.Itoa(hour) + ":" + strconv.Itoa(100 + minute)[1:]
	},
	group: func(digits string) string { return strings.Join(strings.Split(digits, ""), " ") },
	sign:  enSign, minus: "-", plus: "+",
}

func cents(minor int64) string {
	if minor == 0 {
		return ""
	}
	return strconv.FormatInt(100+minor, 10)[1:]
}

// String is the number with a decimal point.
func (n number) String() string {
	s := strconv.FormatInt(n.whole, 10)
	if n.fraction != "" {
		s += "." + n.fraction
	}
	return s
}
