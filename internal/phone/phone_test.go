package phone

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

func TestNormalizeRussia(t *testing.T) {
	for text, want := range map[string]string{
		"89161234567": "+79161234567", "79161234567": "+79161234567", "+79161234567": "+79161234567", "9161234567": "+79161234567",
		"8 (916) 123-45-67": "+79161234567", "+7 916 123-45-67": "+79161234567", "tel:+79161234567": "+79161234567",
		"810380441234567": "+380441234567", "00380441234567": "+380441234567", "81014155552671": "+14155552671", "0014155552671": "+14155552671",
		"8-800-555-35-35": "+78005553535", "74951234567": "+74951234567", "4951234567": "+74951234567",
		"380441234567": "+380441234567", "375291234567": "+375291234567",
		// unchanged
		"101": "101", "112": "112", "123456": "123456", "anna": "anna", "": "", "+": "+", "101a": "101a", "anonymous": "anonymous", "*55": "*55",
		"1234567": "1234567", "sip:101@host": "sip:101@host", "12345678901234567890": "12345678901234567890",
	} {
		if got := Normalize(text, "RU"); got != want {
			t.Errorf("Normalize(%q, RU) = %q, want %q", text, got, want)
		}
	}
}

func TestNormalizeElsewhere(t *testing.T) {
	for _, c := range []struct{ text, country, want string }{
		{"87011234567", "KZ", "+77011234567"}, {"7011234567", "KZ", "+77011234567"},
		{"03012345678", "DE", "+493012345678"}, {"004930123456", "DE", "+4930123456"}, {"0044 20 7946 0958", "DE", "+442079460958"},
		{"(415) 555-2671", "US", "+14155552671"}, {"14155552671", "US", "+14155552671"}, {"01144 2079460958", "US", "+442079460958"},
		{"80291234567", "BY", "+375291234567"}, {"0501234567", "UA", "+380501234567"}, {"0612345678", "IT", "+390612345678"},
		{"110", "DE", "110"}, {"+999123456789", "DE", "+999123456789"}, {"hans", "DE", "hans"}, {"4951234567", "XX", "4951234567"},
	} {
		if got := Normalize(c.text, c.country); got != c.want {
			t.Errorf("Normalize(%q, %s) = %q, want %q", c.text, c.country, got, c.want)
		}
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text, country string
		want          Number
	}{
		{"8 916 123-45-67", "RU", Number{"+79161234567", "7", "9161234567", "RU", true, Mobile}},
		{"+7 495 123 45 67", "DE", Number{"+74951234567", "7", "4951234567", "RU", true, Fixed}},
		{"88005553535", "RU", Number{"+78005553535", "7", "8005553535", "RU", true, TollFree}},
		{"+77011234567", "RU", Number{"+77011234567", "7", "7011234567", "KZ", true, Mobile}},
		{"+14165551234", "RU", Number{"+14165551234", "1", "4165551234", "CA", true, FixedOrMobile}},
		{"+80012345678", "RU", Number{"+80012345678", "800", "12345678", "001", true, TollFree}},
		{"+71234567890", "RU", Number{"+71234567890", "7", "1234567890", "RU", false, Unknown}},
		{"101", "RU", Number{}},
		{"anna", "RU", Number{}},
	} {
		if got := Parse(c.text, c.country); got != c.want {
			t.Errorf("Parse(%q, %s) = %+v, want %+v", c.text, c.country, got, c.want)
		}
	}
}

var kinds = map[phonenumbers.PhoneNumberType]Kind{
	phonenumbers.FIXED_LINE: Fixed, phonenumbers.MOBILE: Mobile, phonenumbers.FIXED_LINE_OR_MOBILE: FixedOrMobile, phonenumbers.TOLL_FREE: TollFree,
	phonenumbers.PREMIUM_RATE: Premium, phonenumbers.SHARED_COST: SharedCost, phonenumbers.VOIP: VoIP, phonenumbers.PERSONAL_NUMBER: Personal,
	phonenumbers.PAGER: Pager, phonenumbers.UAN: Company, phonenumbers.VOICEMAIL: Voicemail, phonenumbers.UNKNOWN: Unknown,
}

// TestAgainstLibrary compares with libphonenumber: an example of every kind in
// every region, and the same with a digit changed.
func TestAgainstLibrary(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine for long: not for the race detector, which runs the short tests")
	}
	random := rand.New(rand.NewPCG(1, 2))
	compared := 0
	for region := range phonenumbers.GetSupportedRegions() {
		for kind := range kinds {
			example := phonenumbers.GetExampleNumberForType(region, kind)
			if example == nil {
				continue
			}
			e164 := phonenumbers.Format(example, phonenumbers.E164)
			compare(t, e164, region)
			compare(t, phonenumbers.Format(example, phonenumbers.NATIONAL), region)
			for range 5 {
				changed := []byte(e164)
				changed[len(changed)-1-random.IntN(len(changed)-4)] = byte('0' + random.IntN(10))
				compare(t, string(changed), region)
			}
			compared++
		}
	}
	if compared < 1000 {
		t.Fatalf("only %d examples", compared)
	}
}

func compare(t *testing.T, text, region string) {
	t.Helper()
	n, err := phonenumbers.Parse(text, region)
	if err != nil || !phonenumbers.IsValidNumber(n) {
		if got := Parse(text, region); got.Valid && text[0] == '+' {
			t.Errorf("%s in %s: valid %+v; the library says it is not", text, region, got)
		}
		return
	}
	want := Number{
		E164: phonenumbers.Format(n, phonenumbers.E164), Code: fmt.Sprint(n.GetCountryCode()), National: phonenumbers.GetNationalSignificantNumber(n),
		Region: phonenumbers.GetRegionCodeForNumber(n), Valid: true, Type: kinds[phonenumbers.GetNumberType(n)],
	}
	if got := Parse(text, region); got != want {
		t.Errorf("%s in %s: %+v, the library says %+v", text, region, got, want)
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		number  string
		style   Style
		country string
		want    string
	}{
		{"+79161234567", E164, "RU", "+79161234567"}, {"+79161234567", Digits, "RU", "79161234567"}, {"+79161234567", National, "RU", "89161234567"},
		{"+493012345678", National, "RU", "810493012345678"}, {"+493012345678", National, "DE", "03012345678"}, {"+79161234567", National, "DE", "0079161234567"},
		{"+14155552671", National, "US", "14155552671"}, {"+442079460958", National, "US", "011442079460958"},
		{"101", National, "RU", "101"}, {"anna", Digits, "RU", "anna"}, {"+79161234567", "", "RU", "+79161234567"}, {"+79161234567", National, "XX", "79161234567"},
	} {
		if got := Format(c.number, c.style, c.country); got != c.want {
			t.Errorf("Format(%s, %s, %s) = %s, want %s", c.number, c.style, c.country, got, c.want)
		}
	}
}

func TestZone(t *testing.T) {
	for number, want := range map[string]string{
		"+74951234567": "Europe/Moscow true", "+73432123456": "Asia/Yekaterinburg true", "+73831234567": "Asia/Novosibirsk true",
		"+74232123456": "Asia/Vladivostok true", "+74012123456": "Europe/Kaliningrad true", "+79161234567": "Europe/Moscow false",
		"+375291234567": "Europe/Minsk true", "+78452123456": "Europe/Saratov true", "+493012345678": "Europe/Berlin true", "+491711234567": "Europe/Berlin true",
		"101": " false", "anna": " false", "+999123": " false",
	} {
		zone, exact := Zone(number)
		if got := fmt.Sprint(zone, " ", exact); got != want {
			t.Errorf("Zone(%s) = %s, want %s", number, got, want)
		}
	}
}

func TestMask(t *testing.T) {
	for number, want := range map[string]string{
		"+79160000001": "+7916***0001", "89160000001": "8916***0001", "+1234567": "+12***67", "1234567": "12***67", "101": "101", "anna": "anna", "": "", "+": "+",
	} {
		if got := Mask(number); got != want {
			t.Errorf("Mask(%s) = %s, want %s", number, got, want)
		}
	}
}

func TestPrefix(t *testing.T) {
	for country, want := range map[string]string{"RU": "+7", "KZ": "+7", "DE": "+49", "US": "+1", "BY": "+375", "XX": "", "001": "", "": "", "ru": ""} {
		if got := Prefix(country); got != want {
			t.Errorf("Prefix(%s) = %q, want %q", country, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"89161234567", "+7 (916) 123-45-67", "0044 20", "tel:+1", "810", "00", "＋79", "8\u00a0916"} {
		f.Add(s, "RU")
		f.Add(s, "DE")
	}
	f.Fuzz(func(t *testing.T, text, country string) {
		n := Parse(text, country)
		if n.Valid && (n.E164 != "+"+n.Code+n.National || len(n.E164) > MaxDigits+1 || n.Region == "" || n.Type == Unknown) {
			t.Fatalf("Parse(%q, %q) = %+v", text, country, n)
		}
		once := Normalize(text, country)
		if twice := Normalize(once, country); strings.HasPrefix(once, "+") && twice != once {
			t.Fatalf("Normalize(%q, %q) = %q, then %q", text, country, once, twice)
		}
		Zone(once)
		Mask(once)
	})
}

func TestNormalizeAllocatesLittle(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { Normalize("89161234567", "RU") }); n > 1 {
		t.Errorf("%v allocations for the common case, want the result only", n)
	}
}

func BenchmarkNormalize(b *testing.B) {
	for b.Loop() {
		Normalize("89161234567", "RU")
	}
}

func BenchmarkLoadPlans(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		loadPlans()
	}
}
