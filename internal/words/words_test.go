package words

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// say runs one of the functions by its name, for tables that mix them.
func say(tag, what, text string, f Form) (string, error) {
	switch what {
	case "number":
		return Number(tag, text, f)
	case "ordinal":
		return Ordinal(tag, text, f)
	case "date":
		return Date(tag, text, f)
	case "time":
		return Time(tag, text, f)
	case "digits":
		return Digits(tag, text)
	case "spell":
		return Spell(tag, text)
	case "phone":
		return Phone(tag, text)
	}
	kind, arg, _ := strings.Cut(what, " ")
	if kind == "money" {
		return Money(tag, text, arg, f)
	}
	return Count(tag, text, strings.Split(arg, "/"), f)
}

func TestEnglish(t *testing.T) {
	for _, c := range []struct {
		what, text string
		f          Form
		want       string
	}{
		{"number", "0", Form{}, "zero"}, {"number", "21", Form{}, "twenty-one"}, {"number", "1521", Form{}, "one thousand five hundred twenty-one"}, {"number", "1,521", Form{}, "one thousand five hundred twenty-one"},
		{"number", "1521,50", Form{}, "one thousand five hundred twenty-one point five"}, {"number", "1,521.05", Form{}, "one thousand five hundred twenty-one point zero five"}, {"number", "-3", Form{}, "minus three"},
		{"number", "1000000", Form{}, "one million"}, {"number", "100", Form{}, "one hundred"}, {"number", "40", Form{}, "forty"},
		{"ordinal", "1", Form{}, "first"}, {"ordinal", "12", Form{}, "twelfth"}, {"ordinal", "20", Form{}, "twentieth"}, {"ordinal", "21", Form{}, "twenty-first"}, {"ordinal", "105", Form{}, "one hundred fifth"}, {"ordinal", "8", Form{}, "eighth"}, {"ordinal", "9", Form{}, "ninth"}, {"ordinal", "1000", Form{}, "one thousandth"},
		{"count order/orders", "1", Form{}, "one order"}, {"count order/orders", "21", Form{}, "twenty-one orders"}, {"count order/orders", "1.5", Form{}, "one point five orders"},
		{"money USD", "1521.50", Form{}, "one thousand five hundred twenty-one dollars and fifty cents"}, {"money USD", "1", Form{}, "one dollar"}, {"money GBP", "0.01", Form{}, "one penny"}, {"money RUB", "2", Form{}, "two rubles"},
		{"date", "2025-08-16", Form{}, "August sixteenth"}, {"date", "2025-08-16", Form{Year: true}, "August sixteenth, twenty twenty-five"}, {"date", "01.01.2000", Form{Year: true}, "January first, two thousand"},
		{"date", "01.01.1905", Form{Year: true}, "January first, nineteen oh five"}, {"date", "01.01.1900", Form{Year: true}, "January first, nineteen hundred"}, {"date", "01.01.2005", Form{Year: true}, "January first, two thousand five"},
		{"time", "10:30", Form{}, "ten thirty a.m."}, {"time", "00:05", Form{}, "twelve oh five a.m."}, {"time", "12:00", Form{}, "twelve p.m."}, {"time", "23:59", Form{}, "eleven fifty-nine p.m."},
		{"digits", "16273", Form{}, "one six two seven three"}, {"spell", "ab-1", Form{}, "A, B, dash, one"}, {"phone", "+14155552671", Form{}, "plus one, four one five, five five five, two six, seven one"},
	} {
		if got, err := say("en-US", c.what, c.text, c.f); err != nil || got != c.want {
			t.Errorf("%s %s: %q, %v; want %q", c.what, c.text, got, err, c.want)
		}
	}
}

func TestKazakh(t *testing.T) {
	for _, c := range []struct {
		what, text string
		f          Form
		want       string
	}{
		{"number", "0", Form{}, "нөл"}, {"number", "1521", Form{}, "мың бес жүз жиырма бір"}, {"number", "100", Form{}, "жүз"}, {"number", "2000000", Form{}, "екі миллион"}, {"number", "1,5", Form{}, "бір бүтін оннан бес"},
		{"number", "5", Form{Case: Dative}, "беске"}, {"number", "6", Form{Case: Genitive}, "алтының"}, {"number", "10", Form{Case: Accusative}, "онды"}, {"number", "3", Form{Case: Prepositional}, "үште"}, {"number", "8", Form{Case: Instrumental}, "сегізбен"}, {"number", "4", Form{Case: Instrumental}, "төртпен"}, {"number", "10", Form{Case: Instrumental}, "онмен"},
		{"ordinal", "1", Form{}, "бірінші"}, {"ordinal", "2", Form{}, "екінші"}, {"ordinal", "6", Form{}, "алтыншы"}, {"ordinal", "16", Form{}, "он алтыншы"}, {"ordinal", "20", Form{}, "жиырмасыншы"}, {"ordinal", "40", Form{}, "қырқыншы"}, {"ordinal", "50", Form{}, "елуінші"}, {"ordinal", "9", Form{}, "тоғызыншы"}, {"ordinal", "100", Form{}, "жүзінші"},
		{"count тапсырыс", "21", Form{}, "жиырма бір тапсырыс"}, {"count тапсырыс", "5", Form{Case: Dative}, "бес тапсырысқа"}, {"count күн", "3", Form{Case: Genitive}, "үш күннің"},
		{"money KZT", "1500", Form{}, "мың бес жүз теңге"}, {"money KZT", "1500,50", Form{Case: Dative}, "мың бес жүз теңге елу тиынға"}, {"money RUB", "2", Form{Case: Dative}, "екі рубльге"}, {"money KZT", "5", Form{Case: Accusative}, "бес теңгені"},
		{"date", "2025-08-16", Form{}, "он алтыншы тамыз"}, {"date", "2025-08-16", Form{Case: Dative}, "он алтыншы тамызға"}, {"date", "2025-12-16", Form{Case: Genitive}, "он алтыншы желтоқсанның"}, {"date", "2025-09-01", Form{Case: Dative, Year: true}, "екі мың жиырма бесінші жылғы бірінші қыркүйекке"},
		{"time", "10:30", Form{}, "сағат он отыз минут"}, {"time", "09:00", Form{Case: Dative}, "сағат тоғызға"},
		{"digits", "105", Form{}, "бір нөл бес"}, {"spell", "Қ1", Form{}, "қы, бір"}, {"phone", "87011234567", Form{}, "сегіз, жеті жүз бір, жүз жиырма үш, қырық бес, алпыс жеті"},
	} {
		if got, err := say("kk-KZ", c.what, c.text, c.f); err != nil || got != c.want {
			t.Errorf("%s %s: %q, %v; want %q", c.what, c.text, got, err, c.want)
		}
	}
}

func TestOtherLanguagesComeInFigures(t *testing.T) {
	for what, want := range map[string]string{
		"number 1521,50": "1521.5", "number -3": "-3", "ordinal 3": "3.", "count Bestellung/Bestellungen 2": "2 Bestellungen", "money EUR 12,5": "12.50 EUR", "date 2025-08-16": "16.8.", "time 09:05": "9:05",
		"digits 12": "1 2", "spell Ä1": "Ä, 1", "phone +4930": "+4 9, 3 0",
	} {
		i := strings.LastIndex(what, " ")
		if got, err := say("de-DE", what[:i], what[i+1:], Form{}); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", what, got, err, want)
		}
	}
	if Known("de") || !Known("ru-RU") || !Known("kk") || !Known("EN-gb") {
		t.Error("Known is wrong")
	}
}

func TestErrorsQuoteTheText(t *testing.T) {
	for _, c := range [][2]string{
		{"number", "12a"}, {"number", ""}, {"number", "-"}, {"number", "1e5"}, {"number", "1000000000000000"}, {"number", "1,2345678"}, {"number", "1.2.3"}, {"number", "7,91E+10"}, {"number", "∞"},
		{"ordinal", "1,5"}, {"ordinal", "-1"}, {"date", "2025-13-01"}, {"date", "30.02.2025"}, {"date", "завтра"}, {"date", ""}, {"time", "25:00"}, {"time", "10"}, {"digits", ""}, {"digits", "---"}, {"spell", " "},
		{"phone", "anna"}, {"phone", ""}, {"phone", strings.Repeat("1", 21)}, {"digits", strings.Repeat("1", MaxText+1)}, {"money RUB", "рубль"}, {"count заказ/заказа/заказов", "x"},
	} {
		_, err := say("ru", c[0], c[1], Form{})
		var e *Error
		if !errors.As(err, &e) || !strings.HasPrefix(c[1], strings.TrimSuffix(e.Text, "…")) || utf8.RuneCountInString(e.Text) > 41 {
			t.Errorf("%s %q: %v", c[0], c[1], err)
		}
	}
	if _, err := Count("en", "1", nil, Form{}); err == nil {
		t.Error("a count of nothing was said")
	}
	if _, err := ParseCase("genitive"); err == nil {
		t.Error("an unknown case was taken")
	}
	if c, err := ParseCase("pre"); err != nil || c != Prepositional {
		t.Error("pre")
	}
	if g, err := ParseGender("f"); err != nil || g != Feminine {
		t.Error("f")
	}
	if _, err := ParseGender("x"); err == nil {
		t.Error("an unknown gender was taken")
	}
}

func FuzzWords(f *testing.F) {
	for _, s := range []string{"1521,50", "-3", "1.000.000", "2025-08-16", "16.08.2025", "10:30", "+7 912 345-67-89", "A-12", "٣", "1'000", "−5"} {
		f.Add(s, "RUB", uint8(1))
	}
	f.Fuzz(func(t *testing.T, text, word string, c uint8) {
		form := Form{Case: Case(c % uint8(cases)), Gender: Gender(c % 4), Year: c > 128}
		for _, tag := range []string{"ru", "en", "kk", "de"} {
			for _, what := range []string{"number", "ordinal", "date", "time", "digits", "spell", "phone"} {
				said, err := say(tag, what, text, form)
				if err == nil && strings.TrimSpace(said) == "" {
					t.Fatalf("%s %s %q is silent", tag, what, text)
				}
			}
			if said, err := Money(tag, text, word, form); err == nil && said == "" {
				t.Fatalf("%s money %q is silent", tag, text)
			}
			if said, err := Count(tag, text, []string{word, text, word}, form); err == nil && said == "" {
				t.Fatalf("%s count %q is silent", tag, text)
			}
		}
	})
}

func BenchmarkRussianMoney(b *testing.B) {
	for b.Loop() {
		if _, err := Money("ru-RU", "16273,50", "RUB", Form{Case: Genitive}); err != nil {
			b.Fatal(err)
		}
	}
}
