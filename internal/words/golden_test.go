package words

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata")

// larger are the numbers above a thousand in the golden tables: scales, their
// edges, and every way in which the last words change a form.
var larger = []int64{1000, 1001, 1002, 1005, 1011, 1021, 1100, 1999, 2000, 2002, 5000, 11000, 12012, 21000, 21001, 22000, 25000, 40000, 90000, 99999,
	100000, 100001, 101000, 121121, 200000, 300000, 555555, 999999, 1000000, 1000001, 1001000, 2000000, 2000022, 5000005, 11000000, 21000021,
	100000000, 1000000000, 2147483647, 21000000000, 1000000000000, 999999999999999}

// golden holds lines against a file of testdata: a change of the rules is seen
// as a change of words. -update writes it.
func golden(t *testing.T, name string, lines []string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for i := 0; s.Scan(); i++ {
		if i >= len(lines) || s.Text() != lines[i] {
			t.Fatalf("%s:%d: %q is now %q", path, i+1, s.Text(), append(slices.Clone(lines), "")[min(i, len(lines))])
		}
		if i == len(lines)-1 && s.Scan() {
			t.Fatalf("%s has more lines: %q", path, s.Text())
		}
	}
}

// numbers are 0 to 1,000 and the larger ones.
func numbers() []int64 {
	var out []int64
	for n := range int64(1000) {
		out = append(out, n)
	}
	return append(out, larger...)
}

// allCases are all forms of a number: one line, a form only where it differs from
// the nominative.
func allCases(tag string, n int64, gender Gender, say func(string, string, Form) (string, error)) string {
	var out []string
	for c := range Case(6) {
		text, err := say(tag, fmt.Sprint(n), Form{Case: c, Gender: gender})
		if err != nil {
			text = err.Error()
		}
		if c > 0 && text == out[0] {
			text = "="
		}
		out = append(out, text)
	}
	return strings.Join(out, " | ")
}

// TestGoldenRussian: cardinals and ordinals in all genders and cases. A gender
// has a line of its own only where it differs.
func TestGoldenRussian(t *testing.T) {
	var lines []string
	for _, n := range numbers() {
		for kind, say := range map[string]func(string, string, Form) (string, error){"": Number, ".": Ordinal} {
			if kind == "." && n > 100 && n < 1000 && n%10 != 0 && n%7 != 0 {
				continue // of ordinals up to a thousand the round ones and some between
			}
			first := allCases("ru-RU", n, 0, say)
			lines = append(lines, fmt.Sprintf("%015d%s m %s", n, kind, first))
			for g, name := range map[Gender]string{Feminine: "f", Neuter: "n"} {
				if form := allCases("ru-RU", n, g, say); form != first {
					lines = append(lines, fmt.Sprintf("%015d%s %s %s", n, kind, name, form))
				}
			}
		}
	}
	slices.Sort(lines)
	golden(t, "ru.txt", lines)
}

// TestGoldenOthers: English has no cases, Kazakh no genders.
func TestGoldenOthers(t *testing.T) {
	var en, kk []string
	for _, n := range numbers() {
		cardinal, err := Number("en-US", fmt.Sprint(n), Form{})
		if err != nil {
			t.Fatal(err)
		}
		ordinal, err := Ordinal("en-US", fmt.Sprint(n), Form{})
		if err != nil {
			t.Fatal(err)
		}
		en = append(en, fmt.Sprintf("%d %s | %s", n, cardinal, ordinal))
		nth, err := Ordinal("kk-KZ", fmt.Sprint(n), Form{})
		if err != nil {
			t.Fatal(err)
		}
		forms := allCases("kk-KZ", n, 0, Number)
		if n > 110 && n < 1000 { // the last word alone is inflected
			forms, _, _ = strings.Cut(forms, " | ")
		}
		kk = append(kk, fmt.Sprintf("%d %s | %s", n, forms, nth))
	}
	golden(t, "en.txt", en)
	golden(t, "kk.txt", kk)
}
