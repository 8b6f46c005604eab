package campaign

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/loopstart/loopstart/internal/fault"
)

// gather is a sink that keeps what it gets.
type gather struct{ got []Entry }

func (g *gather) sink(e []Entry) (Added, error) {
	g.got = append(g.got, slices.Clone(e)...)
	return Added{Accepted: len(e)}, nil
}

var importNow = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)

func load(t testing.TB, format, text string, o ImportOptions) ([]Entry, Report, error) {
	t.Helper()
	o.Now = importNow
	if o.Country == "" {
		o.Country = "RU"
	}
	var g gather
	r, err := Import(context.Background(), strings.NewReader(text), format, o, g.sink)
	return g.got, r, err
}

func TestImportCSV(t *testing.T) {
	got, r, err := load(t, "", "Phone;phone2;Имя;zone;at;expires;priority;key;sum\r\n"+
		"8 (916) 123-45-67;;Анна;;;;;;1521,50\r\n"+
		"\r\n"+
		"79161234568;+442071234567;\"Иван \"\"Ваня\"\"; \nвторая строка\";Asia/Omsk;2026-11-24 10:00;2h;5;заказ 7;\r\n"+
		"9161234569;;;;2026-11-24T10:00:00+05:00;25.11.2026;-3;;x\n", ImportOptions{})
	if err != nil || r.Accepted != 3 || r.Refused != 0 {
		t.Fatalf("%+v %v", r, err)
	}
	want := []Entry{
		{2, Contact{Phones: []string{"+79161234567"}, Data: json.RawMessage(`{"Имя":"Анна","sum":"1521,50"}`)}},
		{4, Contact{
			Phones: []string{"+79161234568", "+442071234567"}, Zone: "Asia/Omsk", Priority: 5, Key: "заказ 7",
			At: time.Date(2026, 11, 24, 4, 0, 0, 0, time.UTC), Expires: importNow.Add(2 * time.Hour),
			Data: json.RawMessage(`{"Имя":"Иван \"Ваня\"; \nвторая строка","sum":""}`),
		}},
		{6, Contact{
			Phones: []string{"+79161234569"}, At: time.Date(2026, 11, 24, 5, 0, 0, 0, time.UTC), Expires: time.Date(2026, 11, 24, 21, 0, 0, 0, time.UTC),
			Priority: -3, Data: json.RawMessage(`{"Имя":"","sum":"x"}`),
		}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

// TestImportEncodings reads one table in every way spreadsheets write it.
func TestImportEncodings(t *testing.T) {
	const table = "phone;Имя;Город\n+79161234567;Анна;Орёл\n"
	cp1251, err := charmap.Windows1251.NewEncoder().String(table)
	if err != nil {
		t.Fatal(err)
	}
	utf16, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(strings.ReplaceAll(table, ";", "\t"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"utf-8": table, "bom": "\ufeff" + table, "windows-1251": cp1251, "utf-16": utf16, "sep line": "sep=;\n" + table,
		"comma": strings.ReplaceAll(table, ";", ","), "tab": strings.ReplaceAll(table, ";", "\t"), "pipe": strings.ReplaceAll(table, ";", "|"),
		"mac": strings.ReplaceAll(table, "\n", "\r"), "no last line end": strings.TrimSuffix(table, "\n"),
		"quoted":            "\"phone\";\"Имя\";\"Город\"\r\n\"+79161234567\";\"Анна\";\"Орёл\"\r\n",
		"cyrillic far down": "phone;Имя;Город\n" + strings.Repeat("\n", 70_000) + mustCP1251(t, "+79161234567;Анна;Орёл\n"),
	} {
		t.Run(name, func(t *testing.T) {
			got, r, err := load(t, "", text, ImportOptions{})
			if err != nil || len(got) != 1 || got[0].Contact.Phone() != "+79161234567" || string(got[0].Contact.Data) != `{"Имя":"Анна","Город":"Орёл"}` {
				t.Errorf("%+v %+v %v", got, r, err)
			}
			var g gather
			_, err = Import(context.Background(), iotest.OneByteReader(strings.NewReader(text)), FormatCSV, ImportOptions{Country: "RU"}, g.sink)
			if err != nil || !reflect.DeepEqual(g.got, got) {
				t.Errorf("byte by byte: %+v %v", g.got, err)
			}
		})
	}
}

func mustCP1251(t *testing.T, s string) string {
	t.Helper()
	out, err := charmap.Windows1251.NewEncoder().String(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestImportRefusals(t *testing.T) {
	for _, c := range []struct {
		name, format, text, code, message string
		line                              int
	}{
		{"excel, semicolon", "csv", "phone;name\n\"7,91E+10\";A\n", "INVALID", "Excel", 2},
		{"excel, comma", "csv", "phone,name\n7,91E+10,A\n", "INVALID", "make the column Text", 2},
		{"excel, dot", "csv", "name,phone\nA,7.91E+10\n", "INVALID", "Excel", 2},
		{"excel, json", "json", `[{"phone":"7.91E+10"}]`, "INVALID", "Excel", 1},
		{"letters", "csv", "phone\nanna\n", "INVALID", "no phone number", 2},
		{"a digit short", "csv", "phone\n+7916123456\n", "INVALID", "has 10 digits", 2},
		{"an extension", "csv", "phone\n101\n", "INVALID", "no phone number", 2},
		{"empty", "csv", "phone,name\n,Anna\n", "INVALID", "no phone", 2},
		{"zone", "csv", "phone,zone\n+79161234567,Moscow\n", "INVALID", "zone", 2},
		{"time", "csv", "phone,at\n+79161234567,soon\n", "INVALID", "at:", 2},
		{"priority", "csv", "phone,priority\n+79161234567,high\n", "INVALID", "priority", 2},
		{"columns", "csv", "phone,name\n+79161234567,a,b\n", "INVALID", "3 columns, the header has 2", 2},
		{"a quote", "csv", "phone,name\n+79161234567,\"a\n", "INVALID", "quote", 2},
		{"unknown field", "ndjson", `{"phone":"+79161234567","nmae":"A"}`, "INVALID", `"nmae"`, 1},
		{"no object", "ndjson", "\n[1]\n", "INVALID", "no JSON object", 2},
		{"data is a text", "json", `{"contacts":[{"phone":"+79161234567","data":"x"}]}`, "INVALID", "data", 1},
		{"the script wants a field", "csv", "phone,nickname\n+79161234567,A\n", "INVALID", "no name", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := ImportOptions{}
			if strings.Contains(c.text, "nickname") {
				o.Check = func(raw json.RawMessage) error {
					if !bytes.Contains(raw, []byte(`"name"`)) {
						return fault.New(fault.Invalid, "no name")
					}
					return nil
				}
			}
			got, r, err := load(t, c.format, c.text, o)
			if err != nil || len(got) != 0 || len(r.Rejected) != 1 {
				t.Fatalf("%+v %+v %v", got, r, err)
			}
			if bad := r.Rejected[0]; bad.Line != c.line || bad.Code != c.code || !strings.Contains(bad.Message, c.message) {
				t.Errorf("%+v", bad)
			}
		})
	}
}

// TestImportGoesOn: a broken row costs itself alone.
func TestImportGoesOn(t *testing.T) {
	long := strings.Repeat("x", MaxLine)
	text := "phone,name\n+79160000001,a\n+79160000002,\"never closed\n+79160000003,c\n+79160000004," + long + "\n+79160000005,e\n"
	got, r, err := load(t, "csv", text, ImportOptions{})
	if err != nil || len(got) != 3 || got[2].Line != 6 || r.Refused != 2 || r.Rejected[0].Line != 3 || r.Rejected[1].Line != 5 {
		t.Errorf("%d rows, %+v %v", len(got), r, err)
	}
	got, r, err = load(t, "ndjson", `{"phone":"+79160000001"}`+"\n{\"phone\":\""+long+long+"\"}\nnull\n"+`{"phone":79160000002}`, ImportOptions{})
	if err != nil || len(got) != 2 || got[1].Line != 4 || r.Refused != 2 || r.Rejected[0].Line != 2 || r.Rejected[0].Code != "LIMIT" {
		t.Errorf("%+v %+v %v", got, r, err)
	}
}

func TestImportWholeFails(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "no phone": "tel;name\n1;2\n", "twice": "phone;name;Name\n1;2;3\n", "json": `{"contacts": 7}`, "json cut": `[{"phone":"+79161234567"},`,
	} {
		if _, r, err := load(t, "", text, ImportOptions{}); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%s: %+v %v", name, r, err)
		}
	}
	if _, _, err := load(t, "xlsx", "x", ImportOptions{}); fault.CodeOf(err) != fault.Invalid {
		t.Error(err)
	}
	broken := io.MultiReader(strings.NewReader("phone\n+79161234567\n+7916"), iotest.ErrReader(errors.New("cut off")))
	var g gather
	if _, err := Import(context.Background(), broken, "csv", ImportOptions{Country: "RU"}, g.sink); fault.CodeOf(err) != fault.Unavailable {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Import(ctx, strings.NewReader("phone\n+79161234567\n"), "csv", ImportOptions{Country: "RU"}, g.sink); fault.CodeOf(err) != fault.Unavailable {
		t.Error(err)
	}
}

func TestImportStrict(t *testing.T) {
	bad := "phone\n+79161234567\nx\n"
	for name, r := range map[string]io.Reader{"seeker": strings.NewReader(bad), "stream": io.MultiReader(strings.NewReader(bad))} {
		var g gather
		rep, err := Import(context.Background(), r, "csv", ImportOptions{Country: "RU", Strict: true}, g.sink)
		if fault.CodeOf(err) != fault.Invalid || len(g.got) != 0 || rep.Refused != 1 || rep.Accepted != 0 {
			t.Errorf("%s: %+v %v", name, rep, err)
		}
	}
	if got, r, err := load(t, "csv", "phone\n+79161234567\n", ImportOptions{Strict: true}); err != nil || len(got) != 1 || r.Accepted != 1 {
		t.Errorf("%+v %v", r, err)
	}
}

// rows is a table of n rows that is made while it is read.
type rows struct {
	n, at int
	rest  []byte
	every int // each so many is bad; 0: none
}

func (r *rows) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		switch {
		case r.at == 0:
			r.rest = []byte("phone;name;sum\n")
		case r.at > r.n:
			return 0, io.EOF
		case r.every > 0 && r.at%r.every == 0:
			r.rest = []byte("x;Анна;1\n")
		default:
			r.rest = fmt.Appendf(nil, "+7916%07d;Анна;1521,50\n", r.at)
		}
		r.at++
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// TestImportMemory reads tables of different lengths: the heap does not grow
// with them, and refusals are capped.
func TestImportMemory(t *testing.T) {
	peak := func(n int) (uint64, Report) {
		var most, base runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&base)
		seen := 0
		r, err := Import(context.Background(), &rows{n: n, every: 2}, "csv", ImportOptions{Country: "RU"}, func(e []Entry) (Added, error) {
			if seen++; seen%20 == 0 {
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				if m.HeapAlloc > most.HeapAlloc {
					most = m
				}
			}
			return Added{Accepted: len(e)}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return most.HeapAlloc - min(base.HeapAlloc, most.HeapAlloc), r
	}
	small, _ := peak(30_000)
	large, r := peak(120_000)
	if r.Accepted != 60_000 || r.Refused != 60_000 || len(r.Rejected) != MaxBadRows {
		t.Fatalf("%d taken, %d refused, %d shown", r.Accepted, r.Refused, len(r.Rejected))
	}
	if large > small+4<<20 {
		t.Errorf("%d bytes for 30,000 rows, %d for 120,000", small, large)
	}
}

// FuzzImport: whatever comes, each row is taken or refused once, numbers are
// E.164 and data is an object; and a table that was written by a report of
// ours is read back.
func FuzzImport(f *testing.F) {
	for _, s := range []string{
		"phone;name\n+79161234567;Anna\n", "phone,at\n\"7,91E+10\",\"a\nb\"\n", `{"contacts":[{"phone":"+79161234567","data":{}}]}`,
		"{\"phone\":7916}\n{}\n", "sep=|\nphone|x\n1|2\n", "\xff\xfep\x00h\x00", "phone\n\"", "phone\r+79161234567\r",
	} {
		f.Add("", []byte(s))
	}
	f.Fuzz(func(t *testing.T, format string, raw []byte) {
		taken := 0
		r, err := Import(context.Background(), bytes.NewReader(raw), format, ImportOptions{Country: "RU", Now: importNow}, func(e []Entry) (Added, error) {
			for _, one := range e {
				taken++
				k := one.Contact
				if len(k.Phones) == 0 || !strings.HasPrefix(k.Phones[0], "+") || one.Line < 1 || k.Data != nil && (!json.Valid(k.Data) || k.Data[0] != '{') {
					t.Fatalf("%+v", one)
				}
			}
			return Added{Accepted: len(e)}, nil
		})
		if err != nil && fault.CodeOf(err) != fault.Invalid && fault.CodeOf(err) != fault.Limit {
			t.Fatal(err)
		}
		if r.Accepted != taken || len(r.Rejected) != min(r.Refused, MaxBadRows) || taken+r.Refused > bytes.Count(raw, []byte("\n"))+bytes.Count(raw, []byte("\r"))+bytes.Count(raw, []byte("{"))+bytes.Count(raw, []byte(","))+2 {
			t.Fatalf("%d taken: %+v of %q", taken, r, raw)
		}
	})
}

func BenchmarkImport(b *testing.B) {
	for b.Loop() {
		r, err := Import(context.Background(), &rows{n: 10_000}, "csv", ImportOptions{Country: "RU"}, func(e []Entry) (Added, error) {
			return Added{Accepted: len(e)}, nil
		})
		if err != nil || r.Accepted != 10_000 {
			b.Fatal(r, err)
		}
	}
	b.ReportMetric(float64(b.N)*10_000/b.Elapsed().Seconds(), "rows/s")
}
