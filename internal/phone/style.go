package phone

import "strings"

// Style is how a trunk wants numbers.
type Style string

// The styles of trunks.X.format.
const (
	E164     Style = "e164"     // +79161234567
	Digits   Style = "digits"   // 79161234567
	National Style = "national" // 89161234567; abroad with the country's exit code
)

// Format writes an E.164 number in a style, as dialled from a country. What
// is no E.164 number comes back unchanged.
func Format(number string, style Style, country string) string {
	digits, ok := strings.CutPrefix(number, "+")
	if !ok || !onlyDigits(digits) || digits == "" {
		return number
	}
	switch style {
	case Digits:
		return digits
	case National:
		return dialled(digits, country)
	}
	return number
}

// dialled is a number as a subscriber of the country would dial it.
func dialled(digits, country string) string {
	code, trunk, exit := "7", "8", "810"
	if country != "RU" && country != "KZ" {
		p := planOf(country)
		if p == nil {
			return digits
		}
		code, trunk, exit = p.code, p.trunk, p.exit
	}
	if national, home := strings.CutPrefix(digits, code); home {
		return trunk + national
	}
	return exit + digits
}
