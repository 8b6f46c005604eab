package words

import "strings"

// noun is a Russian noun in both numbers. An adjective used as a noun (целая,
// десятая) takes the genitive plural after 2, 3 and 4.
type noun struct {
	gender    Gender
	one, many forms
	adjective bool
}

// after is the noun behind a number in a case. Thousands and larger scales are
// nouns themselves and always govern the genitive plural.
func (n noun) after(count int64, c Case) string {
	last, lastTwo := count%10, count%100
	direct := c == Nominative || c == Accusative
	switch {
	case count != 0 && count%1000 == 0:
		return n.many[Genitive]
	case last == 1 && lastTwo != 11:
		return n.one[c]
	case !direct:
		return n.many[c]
	case last >= 2 && last <= 4 && (lastTwo < 12 || lastTwo > 14) && !n.adjective:
		return n.one[Genitive]
	}
	return n.many[Genitive]
}

// regular is a masculine noun with a hard stem.
func regular(stem string) noun {
	return noun{gender: Masculine, one: ends(stem, "", "а", "у", "", "ом", "е"), many: ends(stem, "ы", "ов", "ам", "ы", "ами", "ах")}
}

func fixed(word string) noun {
	f := ends(word, "", "", "", "", "", "")
	return noun{gender: Masculine, one: f, many: f}
}

func ends(stem string, endings ...string) forms {
	var f forms
	for i, e := range endings {
		f[i] = stem + e
	}
	return f
}

// ordinalNoun is a feminine adjective such as десятая with its plural.
func ordinalNoun(stem string) noun {
	return noun{gender: Feminine, adjective: true, one: ends(stem, "ая", "ой", "ой", "ую", "ой", "ой"), many: ends(stem, "ые", "ых", "ым", "ые", "ыми", "ых")}
}

// ruNouns are common nouns whose instrumental or plural no rule finds.
var ruNouns = [...]noun{
	{gender: Masculine, one: decline("день дня дню день днём дне"), many: decline("дни дней дням дни днями днях")},
	{gender: Masculine, one: decline("рубль рубля рублю рубль рублём рубле"), many: decline("рубли рублей рублям рубли рублями рублях")},
	{gender: Masculine, one: decline("год года году год годом годе"), many: decline("годы лет годам годы годами годах")},
	{gender: Masculine, one: decline("человек человека человеку человека человеком человеке"), many: decline("люди человек людям человек людьми людях")},
	{gender: Masculine, one: decline("звонок звонка звонку звонок звонком звонке"), many: decline("звонки звонков звонкам звонки звонками звонках")},
	{gender: Masculine, one: decline("платёж платежа платежу платёж платежом платеже"), many: decline("платежи платежей платежам платежи платежами платежах")},
	{gender: Masculine, one: decline("этаж этажа этажу этаж этажом этаже"), many: decline("этажи этажей этажам этажи этажами этажах")},
	{gender: Neuter, one: decline("место места месту место местом месте"), many: decline("места мест местам места местами местах")},
}

// nounOf makes a noun of three forms: one (заказ), two (заказа), five (заказов).
func nounOf(of [3]string) noun {
	for _, n := range ruNouns {
		if n.one[Nominative] == of[0] && n.one[Genitive] == of[1] && n.many[Genitive] == of[2] {
			return n
		}
	}
	if of[0] == of[1] && of[1] == of[2] { // кофе, евро
		return fixed(of[0])
	}
	n := noun{gender: genderOf(of[0], of[1])}
	switch {
	case strings.HasSuffix(of[0], "мя") && strings.HasSuffix(of[1], "мени"):
		stem := strings.TrimSuffix(of[0], "я")
		n.one, n.many = ends(stem, "я", "ени", "ени", "я", "енем", "ени"), ends(stem, "ена", "ён", "енам", "ена", "енами", "енах")
	case n.gender == Feminine:
		n.one, n.many = feminine(of[0])
	default:
		n.one, n.many = masculine(of[0], of[1])
	}
	n.one[Nominative], n.one[Genitive], n.many[Genitive] = of[0], of[1], of[2]
	return n
}

// genderOf finds the gender by the endings; nouns such as мужчина need it to
// be told.
func genderOf(one, two string) Gender {
	switch {
	case endsIn(one, "о", "е", "ё", "мя"):
		return Neuter
	case endsIn(one, "а", "я"):
		return Feminine
	case endsIn(one, "ь") && endsIn(two, "и"):
		return Feminine
	}
	return Masculine
}

func endsIn(word string, endings ...string) bool {
	for _, e := range endings {
		if strings.HasSuffix(word, e) {
			return true
		}
	}
	return false
}

// feminine declines карта, неделя, станция, ночь.
func feminine(word string) (one, many forms) {
	runes := []rune(word)
	stem, last := string(runes[:len(runes)-1]), runes[len(runes)-1]
	hush := endsIn(stem, "ж", "ш", "ч", "щ", "ц")
	plural := []string{"и", "", "ям", "и", "ями", "ях"}
	if last == 'а' || last == 'ь' && hush {
		plural = []string{"ы", "", "ам", "ы", "ами", "ах"}
	}
	switch {
	case last == 'ь':
		one = ends(stem, "ь", "и", "и", "ь", "ью", "и")
	case last == 'я' && endsIn(stem, "и"):
		one = ends(stem, "я", "и", "и", "ю", "ей", "и")
	case last == 'я':
		one = ends(stem, "я", "и", "е", "ю", "ей", "е")
	case hush:
		one = ends(stem, "а", "и", "е", "у", "ей", "е")
	default:
		one = ends(stem, "а", "ы", "е", "у", "ой", "е")
	}
	return one, ends(stem, plural...)
}

// masculine declines masculine and neuter nouns from nominative and genitive,
// since the genitive shows the stem: день, дня.
func masculine(word, genitive string) (one, many forms) {
	runes := []rune(genitive)
	if len(runes) < 2 {
		return fixed(word).one, fixed(word).one
	}
	stem, last := string(runes[:len(runes)-1]), runes[len(runes)-1]
	if last == 'я' {
		prepositional := "е"
		if endsIn(stem, "и") {
			prepositional = "и"
		}
		return replaceDirect(ends(stem, "", "я", "ю", "", "ем", prepositional), word), ends(stem, "и", "", "ям", "и", "ями", "ях")
	}
	instrumental := "ом"
	if endsIn(stem, "ж", "ш", "ч", "щ", "ц") {
		instrumental = "ем"
	}
	return replaceDirect(ends(stem, "", "а", "у", "", instrumental, "е"), word), ends(stem, "ы", "", "ам", "ы", "ами", "ах")
}

func replaceDirect(f forms, word string) forms {
	f[Nominative], f[Accusative] = word, word
	return f
}

// ruCount says a number and what is counted.
func ruCount(d number, of []string, f Form) (string, error) {
	if len(of) != 3 {
		return "", &Error{clip(strings.Join(of, ", ")), "are not the three forms of a Russian noun: заказ, заказа, заказов"}
	}
	given := [3]string(of)
	n := nounOf(given)
	if f.GenderSet {
		n.gender = f.Gender
	}
	oblique := f.Case != Nominative && f.Case != Accusative
	switch {
	case oblique && given[1] == given[2] && given[0] != given[1]: // заказу, заказам, заказам
		n.one[f.Case], n.many[f.Case], n.gender = given[0], given[1], caseGender(given[0], f)
	case oblique && f.Case != Genitive && strings.Contains(given[0], " "):
		return "", &Error{clip(given[0]), "cannot be declined; give the forms in that case: новому заказу, новым заказам, новым заказам"}
	}
	f.Gender = n.gender
	if d.fraction != "" {
		return ruDecimal(d, f) + " " + n.one[Genitive], nil
	}
	return ruCardinal(d.whole, f) + " " + n.after(d.whole, f.Case), nil
}

// caseGender is the gender of a noun of which only an oblique singular is
// given: one differs by it only between feminine and the rest.
func caseGender(singular string, f Form) Gender {
	switch {
	case f.GenderSet:
		return f.Gender
	case f.Case == Instrumental && endsIn(singular, "ой", "ей", "ью"), f.Case == Dative && endsIn(singular, "е", "и"), f.Case == Genitive && endsIn(singular, "ы", "и"):
		return Feminine
	}
	return Masculine
}
