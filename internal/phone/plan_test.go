package phone

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

var update = flag.Bool("update", false, "write plans.txt.gz anew from libphonenumber's metadata")

// TestPlansAreCurrent makes the packed plans from the library that is only
// linked into this test, and compares.
func TestPlansAreCurrent(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine for long: not for the race detector, which runs the short tests")
	}
	want := generatePlans(t)
	if *update {
		var b bytes.Buffer
		w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
		_, _ = w.Write(want)
		_ = w.Close()
		if err := os.WriteFile("plans.txt.gz", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Skipf("wrote %d bytes, unpacked %d", b.Len(), len(want))
	}
	r, err := gzip.NewReader(bytes.NewReader(plansFile))
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if _, err := got.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Fatal("plans.txt.gz differs from the library's metadata; run go test -run Plans -update")
	}
}

func generatePlans(t *testing.T) []byte {
	coll, err := phonenumbers.MetadataCollection()
	if err != nil {
		t.Fatal(err)
	}
	metadata := slices.Clone(coll.GetMetadata())
	slices.SortFunc(metadata, func(a, b *phonenumbers.PhoneMetadata) int {
		return cmp.Or(cmp.Compare(a.GetCountryCode(), b.GetCountryCode()), rank(a)-rank(b))
	})
	var out bytes.Buffer
	for _, m := range metadata {
		out.WriteString(strings.Join(columnsOf(m), "\t") + "\n")
	}
	text := bytes.TrimSuffix(out.Bytes(), []byte("\n"))
	return append(append(text, "\n\n"...), generateZones(t)...)
}

// rank is the place of a region among those of its code, as the library
// searches them.
func rank(m *phonenumbers.PhoneMetadata) int {
	return slices.Index(phonenumbers.GetRegionCodesForCountryCode(int(m.GetCountryCode())), m.GetId())
}

func columnsOf(m *phonenumbers.PhoneMetadata) []string {
	exit := m.GetPreferredInternationalPrefix()
	if exit == "" && onlyDigits(m.GetInternationalPrefix()) {
		exit = m.GetInternationalPrefix()
	}
	exit = strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, cmp.Or(exit, "00"))
	columns := []string{
		m.GetId(), strconv.Itoa(int(m.GetCountryCode())), m.GetLeadingDigits(), exit, m.GetInternationalPrefix(), m.GetNationalPrefix(),
		m.GetNationalPrefixForParsing(), strings.ReplaceAll(m.GetNationalPrefixTransformRule(), "$1", "${1}"), pattern(m.GetGeneralDesc()),
	}
	mobile := pattern(m.GetMobile())
	if m.GetSameMobileAndFixedLinePattern() {
		mobile = pattern(m.GetFixedLine())
	}
	for _, d := range []*phonenumbers.PhoneNumberDesc{
		m.GetPremiumRate(), m.GetTollFree(), m.GetSharedCost(), m.GetVoip(), m.GetPersonalNumber(), m.GetPager(), m.GetUan(), m.GetVoicemail(), m.GetFixedLine(),
	} {
		columns = append(columns, pattern(d))
	}
	columns = append(columns, mobile)
	for i := range columns {
		columns[i] = strings.Map(func(r rune) rune {
			if r == '\n' || r == ' ' || r == '\t' {
				return -1
			}
			return r
		}, columns[i])
	}
	return columns
}

func pattern(d *phonenumbers.PhoneNumberDesc) string {
	if p := d.GetNationalNumberPattern(); p != "NA" {
		return p
	}
	return ""
}

// generateZones asks the library for every prefix; a prefix is written when
// its zones differ from those of the prefix one digit shorter.
func generateZones(t *testing.T) []byte {
	var out bytes.Buffer
	zones := func(prefix string) string {
		z, err := phonenumbers.GetTimezonesForPrefix(prefix)
		if err != nil || len(z) == 1 && z[0] == phonenumbers.UNKNOWN_TIMEZONE {
			return ""
		}
		return strings.Join(z, " ")
	}
	for length, from := 1, 1; length <= longestZonePrefix; length, from = length+1, from*10 {
		for n := from; n < from*10; n++ {
			prefix := strconv.Itoa(n)
			if z := zones(prefix); z != "" && z != zones(prefix[:length-1]) {
				fmt.Fprintf(&out, "%s\t%s\n", prefix, z)
			}
		}
	}
	if out.Len() == 0 {
		t.Fatal("no zones")
	}
	return out.Bytes()
}
