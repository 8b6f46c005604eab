package script

import (
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// nbsp stands between groups of digits and before units in Russian and Kazakh.
const nbsp = "\u00a0"

// words are what a language needs for numbers and dates (CLDR 45).
type words struct {
	decimal, group string
	percent        string // between the number and %
	months         [12]string
	monthsAlone    [12]string // without a day
	monthsShort    [12]string
	weekdays       [7]string // Sunday first
	weekdaysShort  [7]string
	join           string // between a date and a time
	joinLong       string // when the date is long or full
	yearMark       string // behind a year with a month in words
	minGroup       int    // digits of the whole part from which it is grouped
	currencies     map[string]string
	currencyNames  map[string]string
}

var english = words{
	decimal: ".", group: ",", percent: "",
	months:        [12]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
	monthsAlone:   [12]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
	monthsShort:   [12]string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"},
	weekdays:      [7]string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"},
	weekdaysShort: [7]string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"},
	join:          ", ", joinLong: " at ",
	currencies:    map[string]string{"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "CNY": "CN¥"},
	currencyNames: map[string]string{"USD": "US dollars", "EUR": "euros", "RUB": "Russian rubles", "KZT": "Kazakhstani tenges"},
}

var russian = words{
	decimal: ",", group: nbsp, percent: nbsp,
	months:        [12]string{"января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября", "декабря"},
	monthsAlone:   [12]string{"январь", "февраль", "март", "апрель", "май", "июнь", "июль", "август", "сентябрь", "октябрь", "ноябрь", "декабрь"},
	monthsShort:   [12]string{"янв.", "февр.", "мар.", "апр.", "мая", "июн.", "июл.", "авг.", "сент.", "окт.", "нояб.", "дек."},
	weekdays:      [7]string{"воскресенье", "понедельник", "вторник", "среда", "четверг", "пятница", "суббота"},
	weekdaysShort: [7]string{"вс", "пн", "вт", "ср", "чт", "пт", "сб"},
	join:          ", ", joinLong: " в ", yearMark: " г.",
	currencies:    map[string]string{"RUB": "₽", "USD": "$", "EUR": "€", "KZT": "₸", "UAH": "₴", "GBP": "£", "CNY": "CN¥", "JPY": "¥"},
	currencyNames: map[string]string{"RUB": "российского рубля", "USD": "доллара США", "EUR": "евро", "KZT": "казахского тенге"},
}

var ukrainian = words{
	decimal: ",", group: nbsp, percent: "",
	months:        [12]string{"січня", "лютого", "березня", "квітня", "травня", "червня", "липня", "серпня", "вересня", "жовтня", "листопада", "грудня"},
	monthsAlone:   [12]string{"січень", "лютий", "березень", "квітень", "травень", "червень", "липень", "серпень", "вересень", "жовтень", "листопад", "грудень"},
	monthsShort:   [12]string{"січ.", "лют.", "бер.", "квіт.", "трав.", "черв.", "лип.", "серп.", "вер.", "жовт.", "лист.", "груд."},
	weekdays:      [7]string{"неділя", "понеділок", "вівторок", "середа", "четвер", "пʼятниця", "субота"},
	weekdaysShort: [7]string{"нд", "пн", "вт", "ср", "чт", "пт", "сб"},
	join:          ", ", joinLong: " о ", yearMark: " р.",
	currencies:    map[string]string{"UAH": "₴"},
	currencyNames: map[string]string{"UAH": "української гривні", "RUB": "російського рубля", "USD": "долара США", "EUR": "євро"},
}

var belarusian = words{
	decimal: ",", group: nbsp, percent: nbsp, minGroup: 5,
	months:        [12]string{"студзеня", "лютага", "сакавіка", "красавіка", "мая", "чэрвеня", "ліпеня", "жніўня", "верасня", "кастрычніка", "лістапада", "снежня"},
	monthsAlone:   [12]string{"студзень", "люты", "сакавік", "красавік", "май", "чэрвень", "ліпень", "жнівень", "верасень", "кастрычнік", "лістапад", "снежань"},
	monthsShort:   [12]string{"сту", "лют", "сак", "кра", "мая", "чэр", "ліп", "жні", "вер", "кас", "ліс", "сне"},
	weekdays:      [7]string{"нядзеля", "панядзелак", "аўторак", "серада", "чацвер", "пятніца", "субота"},
	weekdaysShort: [7]string{"нд", "пн", "аў", "ср", "чц", "пт", "сб"},
	join:          ", ", joinLong: " у ", yearMark: " г.",
	currencies:    map[string]string{"BYN": "Br", "RUB": "₽", "USD": "$", "EUR": "€"},
	currencyNames: map[string]string{"BYN": "беларускіх рублёў", "RUB": "расійскіх рублёў", "USD": "долараў ЗША", "EUR": "еўра"},
}

var kazakh = words{
	decimal: ",", group: nbsp, percent: "",
	months:        [12]string{"қаңтар", "ақпан", "наурыз", "сәуір", "мамыр", "маусым", "шілде", "тамыз", "қыркүйек", "қазан", "қараша", "желтоқсан"},
	monthsAlone:   [12]string{"Қаңтар", "Ақпан", "Наурыз", "Сәуір", "Мамыр", "Маусым", "Шілде", "Тамыз", "Қыркүйек", "Қазан", "Қараша", "Желтоқсан"},
	monthsShort:   [12]string{"қаң.", "ақп.", "нау.", "сәу.", "мам.", "мау.", "шіл.", "там.", "қыр.", "қаз.", "қар.", "жел."},
	weekdays:      [7]string{"жексенбі", "дүйсенбі", "сейсенбі", "сәрсенбі", "бейсенбі", "жұма", "сенбі"},
	weekdaysShort: [7]string{"жс", "дс", "сс", "ср", "бс", "жм", "сб"},
	join:          ", ", joinLong: ", ",
	currencies:    map[string]string{"KZT": "₸", "RUB": "₽", "USD": "$", "EUR": "€", "GBP": "£"},
	currencyNames: map[string]string{"KZT": "қазақстан теңгесі", "RUB": "ресей рублі", "USD": "АҚШ доллары", "EUR": "еуро"},
}

// wordsOf are those of a language tag; English for one that is not known, as
// ECMA-402 lets an engine do.
func wordsOf(tag string) (language string, w *words) {
	language, _, _ = strings.Cut(strings.ToLower(strings.ReplaceAll(tag, "_", "-")), "-")
	switch language {
	case "ru":
		return language, &russian
	case "uk":
		return language, &ukrainian
	case "be":
		return language, &belarusian
	case "kk":
		return language, &kazakh
	}
	return "en", &english
}

// nativeLocale is the tag to go by: the argument or the project's language.
func nativeLocale(vm *runtime.VM, args []goja.Value) goja.Value {
	v := bind.Arg(args, 0)
	if goja.IsUndefined(v) {
		if tag := vm.Env().Language; tag != "" {
			return vm.Runtime().ToValue(tag)
		}
		return vm.Runtime().ToValue("en-US")
	}
	tag := v.String()
	if tag == "" || len(tag) > 50 || strings.Trim(strings.ToLower(tag), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		throwRange(vm, "Incorrect locale information provided: "+tag)
	}
	return vm.Runtime().ToValue(tag)
}

// nativeZone is the zone to go by: the argument or the project's.
func nativeZone(vm *runtime.VM, args []goja.Value) goja.Value {
	v := bind.Arg(args, 0)
	if goja.IsUndefined(v) {
		if zone := vm.Env().Zone; zone != "" {
			return vm.Runtime().ToValue(zone)
		}
		return vm.Runtime().ToValue("UTC")
	}
	if _, err := time.LoadLocation(v.String()); err != nil || v.String() == "" || v.String() == "Local" {
		throwRange(vm, "Invalid time zone specified: "+v.String())
	}
	return v
}

func throwRange(vm *runtime.VM, text string) {
	e, err := vm.Runtime().New(vm.Runtime().GlobalObject().Get("RangeError"), vm.Runtime().ToValue(text))
	if err != nil {
		panic(err)
	}
	panic(goja.Value(e))
}

// option is a text among the options, or def.
func option(o *goja.Object, name, def string) string {
	if v := o.Get(name); v != nil && !goja.IsUndefined(v) {
		return v.String()
	}
	return def
}

// parts collects what formatToParts gives.
type parts struct {
	vm   *runtime.VM
	list []any
}

func (p *parts) add(kind, value string) {
	if value == "" {
		return
	}
	o := p.vm.Runtime().NewObject()
	for _, f := range [][2]string{{"type", kind}, {"value", value}} {
		if err := o.Set(f[0], f[1]); err != nil {
			panic(err)
		}
	}
	p.list = append(p.list, o)
}

func (p *parts) value() goja.Value { return p.vm.Runtime().NewArray(p.list...) }

// localize replaces the toLocale… methods, which goja has without locales.
func localize(vm *runtime.VM) error {
	if !vm.Localizes() {
		return nil
	}
	rt := vm.Runtime()
	for class, methods := range map[string]map[string]string{
		"Number": {"toLocaleString": "number"},
		"Date": {"toLocaleString": "toLocaleString", "toLocaleDateString": "toLocaleDateString",
			"toLocaleTimeString": "toLocaleTimeString"},
	} {
		prototype := rt.GlobalObject().Get(class).ToObject(rt).Get("prototype").ToObject(rt)
		for name, key := range methods {
			method := vm.Func(name, func(c goja.FunctionCall) goja.Value {
				fn, _ := goja.AssertFunction(load(vm, "intl").Get(key))
				v, err := fn(c.This, c.Arguments...)
				if err != nil {
					panic(err)
				}
				return v
			})
			if err := prototype.DefineDataProperty(name, method, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE); err != nil {
				return err
			}
		}
	}
	return nil
}
