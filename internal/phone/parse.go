package phone

import (
	"slices"
	"strings"
)

// Kind is what a number is for.
type Kind string

// Kinds of numbers.
const (
	Unknown       Kind = ""
	Fixed         Kind = "fixed"
	Mobile        Kind = "mobile"
	FixedOrMobile Kind = "fixed_or_mobile"
	TollFree      Kind = "toll_free"
	Premium       Kind = "premium"
	SharedCost    Kind = "shared_cost"
	Personal      Kind = "personal"
	VoIP          Kind = "voip"
	Pager         Kind = "pager"
	Company       Kind = "company" // universal access number
	Voicemail     Kind = "voicemail"
)

// kindColumns is the order of the pattern columns and of the search.
var kindColumns = [...]Kind{Premium, TollFree, SharedCost, VoIP, Personal, Pager, Company, Voicemail, Fixed, Mobile}

// Number is what is known of a number. E164 is empty when the text cannot be
// made one; Valid says that the numbering plan has such a number.
type Number struct {
	E164     string // +79161234567
	Code     string // calling code: 7
	National string // without code and trunk prefix: 9161234567
	Region   string // ISO 3166: RU; 001 for no country
	Valid    bool
	Type     Kind
}

// Parse reads a number as written in a country (ISO 3166). Unlike Normalize it
// also tells region and kind, and it consults the numbering plans.
func Parse(text, country string) Number {
	digits, plus, ok := clean(text)
	if !ok || len(digits) < 3 || len(digits) > MaxDigits+4 {
		return Number{}
	}
	if !plus && len(digits) >= ShortestFull && (country == "RU" || country == "KZ") {
		if e164 := zone7(digits); e164 != "" {
			digits, plus = e164[1:], true
		}
	}
	return parseDigits(digits, plus, country)
}

func parseDigits(digits string, plus bool, country string) Number {
	w := world()
	if plus {
		return w.international(digits)
	}
	home := w.byRegion[country]
	if home != nil {
		if exit := w.compile("^(?:" + home.exits + ")").FindString(digits); exit != "" && home.exits != "" {
			if n := w.international(digits[len(exit):]); n.Valid {
				return n
			}
		}
		if n := w.national(home, digits); n.Valid {
			return n
		}
	}
	// Carriers often send a full number without its plus sign, and people
	// dial 00 also where the exit code is another.
	if n := w.international(digits); n.Valid && len(digits) > 10 {
		return n
	}
	if rest, ok := strings.CutPrefix(digits, "00"); ok {
		if n := w.international(rest); n.Valid {
			return n
		}
	}
	if home == nil || len(digits) < ShortestFull {
		return Number{}
	}
	return w.national(home, digits)
}

// international reads a number that begins with its calling code.
func (w *plans) international(digits string) Number {
	const longestCode = 3
	for n := 1; n <= longestCode && n < len(digits); n++ {
		if regions := w.byCode[digits[:n]]; regions != nil {
			return w.national(regions[0], digits[n:])
		}
	}
	return Number{}
}

// national reads what follows the calling code of home, and finds which of
// the regions of that code the number belongs to.
func (w *plans) national(home *plan, digits string) Number {
	number := w.stripTrunk(home, digits)
	if len(home.code)+len(number) > MaxDigits || number == "" {
		return Number{}
	}
	n := Number{E164: "+" + home.code + number, Code: home.code, National: number, Region: home.region}
	for _, p := range w.byCode[home.code] {
		if p.leading != "" {
			if !w.compile("^(?:" + p.leading + ")").MatchString(number) {
				continue
			}
		} else if w.kind(p, number) == Unknown {
			continue
		}
		n.Region, n.Type = p.region, w.kind(p, number)
		n.Valid = n.Type != Unknown
		break
	}
	return n
}

// stripTrunk drops the prefix of national calls, unless the number is good
// only with it.
func (w *plans) stripTrunk(p *plan, digits string) string {
	if p.trunks == "" {
		return digits
	}
	re := w.compile("^(?:" + p.trunks + ")")
	m := re.FindStringSubmatchIndex(digits)
	if m == nil {
		return digits
	}
	rest := digits[m[1]:]
	if last := len(m) - 2; p.rewrite != "" && m[last] >= 0 {
		rest = string(re.ExpandString(nil, p.rewrite, digits, m)) + rest
	}
	if w.matches(p.general, digits) && !w.matches(p.general, rest) {
		return digits
	}
	return rest
}

func (w *plans) kind(p *plan, number string) Kind {
	if !w.matches(p.general, number) {
		return Unknown
	}
	var found []Kind
	for _, k := range p.kinds {
		if w.matches(k.pattern, number) {
			found = append(found, k.kind)
			if k.kind != Fixed {
				break
			}
		}
	}
	switch {
	case len(found) == 0:
		return Unknown
	case slices.Equal(found, []Kind{Fixed, Mobile}):
		return FixedOrMobile
	}
	return found[0]
}

// Zone is the time zone of an E.164 number. exact is false when it is only
// the likeliest: a mobile number, or a prefix that covers several zones.
func Zone(number string) (name string, exact bool) {
	digits, ok := strings.CutPrefix(number, "+")
	if !ok || !onlyDigits(digits) {
		return "", false
	}
	w := world()
	for n := min(len(digits), longestZonePrefix); n > 0; n-- {
		zones := w.zones[digits[:n]]
		if len(zones) == 0 {
			continue
		}
		country := w.zones[w.codeOf(digits)]
		geographic := n > len(w.codeOf(digits)) && w.international(digits).Type != Mobile
		return zones[0], len(zones) == 1 && (geographic || len(country) == 1)
	}
	return "", false
}

// longestZonePrefix is the longest prefix that the zones of plans.txt have.
const longestZonePrefix = 6

func (w *plans) codeOf(digits string) string {
	for n := 1; n <= 3 && n <= len(digits); n++ {
		if w.byCode[digits[:n]] != nil {
			return digits[:n]
		}
	}
	return ""
}
