package script

import (
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// numberStyle is the options of Intl.NumberFormat, resolved.
type numberStyle struct {
	style, currency, display, sign string
	minInt, minFrac, maxFrac       int
	grouping                       bool
}

// currencyDigits are the currencies without kopecks (ISO 4217).
var currencyDigits = map[string]int{"JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "ISK": 0, "BHD": 3, "KWD": 3, "OMR": 3, "TND": 3}

func readNumberStyle(vm *runtime.VM, o *goja.Object) numberStyle {
	s := numberStyle{style: option(o, "style", "decimal"), currency: strings.ToUpper(option(o, "currency", "")),
		display: option(o, "currencyDisplay", "symbol"), sign: option(o, "signDisplay", "auto"), maxFrac: 3,
		grouping: option(o, "useGrouping", "true") != "false"}
	switch s.style {
	case "decimal":
	case "percent":
		s.maxFrac = 0
	case "currency":
		if len(s.currency) != 3 {
			throwRange(vm, "Currency code is required with currency style, such as RUB")
		}
		digits, ok := currencyDigits[s.currency]
		if !ok {
			digits = 2
		}
		s.minFrac, s.maxFrac = digits, digits
	default:
		throwRange(vm, "Value "+s.style+" out of range for Intl.NumberFormat options property style (decimal, percent and currency are there)")
	}
	s.minInt = digitOption(vm, o, "minimumIntegerDigits", 1, 21, 1)
	least := digitOption(vm, o, "minimumFractionDigits", 0, 20, -1)
	most := digitOption(vm, o, "maximumFractionDigits", 0, 20, -1)
	if least >= 0 {
		s.minFrac, s.maxFrac = least, max(s.maxFrac, least)
	}
	if most >= 0 {
		if least > most {
			throwRange(vm, "maximumFractionDigits value is out of range")
		}
		s.minFrac, s.maxFrac = min(s.minFrac, most), most
	}
	return s
}

func digitOption(vm *runtime.VM, o *goja.Object, name string, min, max, def int) int {
	v := o.Get(name)
	if v == nil || goja.IsUndefined(v) {
		return def
	}
	n := v.ToFloat()
	if !(n >= float64(min) && n <= float64(max)) {
		throwRange(vm, name+" value is out of range")
	}
	return int(n)
}

// nativeNumber is (number, locale, options): the parts of the text.
func nativeNumber(vm *runtime.VM, args []goja.Value) goja.Value {
	x := bind.Arg(args, 0).ToFloat()
	language, w := wordsOf(bind.Arg(args, 1).String())
	s := readNumberStyle(vm, bind.Arg(args, 2).ToObject(vm.Runtime()))
	p := &parts{vm: vm}
	whole, fraction := digits(x, s)
	zero := strings.Trim(whole+fraction, "0") == ""
	sign := ""
	switch {
	case s.sign != "never" && math.Signbit(x) && x == x && !(zero && s.sign == "exceptZero"):
		sign = "-"
	case s.sign == "always" && !math.Signbit(x), s.sign == "exceptZero" && !zero && x == x:
		sign = "+"
	}
	symbol, before := symbolOf(language, w, s)
	kind := "minusSign"
	if sign == "+" {
		kind = "plusSign"
	}
	p.add(kind, sign)
	if before {
		p.add("currency", symbol)
		if n := len(symbol); n > 1 && symbol[n-1] < 0x80 && symbol[n-1] >= 'A' {
			p.add("literal", nbsp) // "RUB 5.00", but "$5.00"
		}
	}
	p.number(x, whole, fraction, w, s.grouping)
	if s.style == "percent" {
		p.add("literal", w.percent)
		p.add("percentSign", "%")
	} else if symbol != "" && !before {
		p.add("literal", separator(s))
		p.add("currency", symbol)
	}
	return p.value()
}

func separator(s numberStyle) string {
	if s.display == "name" {
		return " "
	}
	return nbsp
}

// symbolOf is the sign of a currency and whether it stands before the number.
func symbolOf(language string, w *words, s numberStyle) (symbol string, before bool) {
	if s.style != "currency" {
		return "", false
	}
	symbol = s.currency
	if known, ok := w.currencies[s.currency]; ok && (s.display == "symbol" || s.display == "narrowSymbol") {
		symbol = known
	}
	if s.display == "name" {
		if name, ok := w.currencyNames[s.currency]; ok {
			symbol = name
		}
		return symbol, false
	}
	return symbol, language == "en"
}

func (p *parts) number(x float64, whole, fraction string, w *words, grouping bool) {
	switch {
	case x != x:
		name := "NaN"
		if w == &russian {
			name = "не" + nbsp + "число"
		}
		p.add("nan", name)
		return
	case math.IsInf(x, 0):
		p.add("infinity", "∞")
		return
	}
	groups := []string{whole}
	if grouping && len(whole) >= w.minGroup {
		groups = groupsOf(whole)
	}
	for i, g := range groups {
		if i > 0 {
			p.add("group", w.group)
		}
		p.add("integer", g)
	}
	if fraction != "" {
		p.add("decimal", w.decimal)
		p.add("fraction", fraction)
	}
}

func groupsOf(whole string) []string {
	var groups []string
	for len(whole) > 3 {
		groups = append(groups, whole[len(whole)-3:])
		whole = whole[:len(whole)-3]
	}
	groups = append(groups, whole)
	slices.Reverse(groups)
	return groups
}

// digits rounds half away from zero, on the exact value of the number, and
// gives the digits before and behind the point.
func digits(x float64, s numberStyle) (whole, fraction string) {
	if x != x || math.IsInf(x, 0) {
		return "", ""
	}
	r := new(big.Rat).SetFloat64(math.Abs(x))
	if s.style == "percent" {
		r.Mul(r, big.NewRat(100, 1))
	}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(s.maxFrac)), nil)
	r.Mul(r, new(big.Rat).SetInt(scale))
	r.Add(r, big.NewRat(1, 2))
	n := new(big.Int).Quo(r.Num(), r.Denom()).String()
	if len(n) <= s.maxFrac {
		n = strings.Repeat("0", s.maxFrac-len(n)+1) + n
	}
	whole, fraction = n[:len(n)-s.maxFrac], n[len(n)-s.maxFrac:]
	for len(fraction) > s.minFrac && strings.HasSuffix(fraction, "0") {
		fraction = fraction[:len(fraction)-1]
	}
	if pad := s.minInt - len(whole); pad > 0 {
		whole = strings.Repeat("0", pad) + whole
	}
	return whole, fraction
}
