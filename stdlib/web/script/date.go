package script

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// dateStyle is the options of Intl.DateTimeFormat, resolved. A field is "",
// numeric, 2-digit, long, short or narrow.
type dateStyle struct {
	weekday, year, month, day, hour, minute, second, zoneName string
	twelve                                                    bool
	long                                                      bool // of dateStyle: how date and time are joined
}

// nativeDate is (milliseconds, locale, options, needs): the parts of the text.
// needs says which fields are there when the options name none.
func nativeDate(vm *runtime.VM, args []goja.Value) goja.Value {
	tag := bind.Arg(args, 1).String()
	language, w := wordsOf(tag)
	o := bind.Arg(args, 2).ToObject(vm.Runtime())
	zone, err := time.LoadLocation(option(o, "timeZone", "UTC"))
	if err != nil {
		zone = time.UTC // nativeZone has checked it
	}
	t := time.UnixMilli(bind.Arg(args, 0).ToInteger()).In(zone)
	s := readDateStyle(vm, o, language, bind.Arg(args, 3).String())
	p := &parts{vm: vm}
	d := dateText{p: p, t: t, s: s, w: w, british: language == "en" && tag != "en" && !strings.HasPrefix(strings.ToLower(tag), "en-us")}
	switch language {
	case "ru", "uk", "be":
		d.slavic(language == "be")
	case "kk":
		d.kazakh()
	default:
		d.english()
	}
	if len(p.list) > 0 && s.hour+s.minute+s.second != "" {
		join := w.join
		if s.long {
			join = w.joinLong
		}
		p.add("literal", join)
	}
	d.time()
	return p.value()
}

func readDateStyle(vm *runtime.VM, o *goja.Object, language, needs string) dateStyle {
	s := dateStyle{weekday: option(o, "weekday", ""), year: option(o, "year", ""), month: option(o, "month", ""), day: option(o, "day", ""),
		hour: option(o, "hour", ""), minute: option(o, "minute", ""), second: option(o, "second", ""), zoneName: option(o, "timeZoneName", ""),
		twelve: option(o, "hour12", strconv.FormatBool(language == "en")) == "true"}
	date, clock := option(o, "dateStyle", ""), option(o, "timeStyle", "")
	named := s.weekday + s.year + s.month + s.day + s.hour + s.minute + s.second
	switch {
	case date+clock != "":
		if named != "" {
			throwRange(vm, "dateStyle and timeStyle cannot be used with single fields")
		}
		s.presets(vm, date, clock, language)
	case named == "":
		if needs != "time" {
			s.year, s.month, s.day = "numeric", "numeric", "numeric"
		}
		if needs != "date" {
			s.hour, s.minute, s.second = "numeric", "2-digit", "2-digit"
		}
	case needs == "date" && s.weekday+s.year+s.month+s.day == "" && o.Get("hour") == nil:
		s.year, s.month, s.day = "numeric", "numeric", "numeric"
	}
	return s
}

func (s *dateStyle) presets(vm *runtime.VM, date, clock, language string) {
	switch date {
	case "":
	case "full":
		s.weekday, s.year, s.month, s.day, s.long = "long", "numeric", "long", "numeric", true
	case "long":
		s.year, s.month, s.day, s.long = "numeric", "long", "numeric", true
	case "medium":
		s.year, s.month, s.day = "numeric", "short", "numeric"
	case "short":
		s.year, s.month, s.day = "2-digit", "numeric", "numeric"
		if language == "ru" {
			s.year = "numeric"
		}
	default:
		throwRange(vm, "Value "+date+" out of range for Intl.DateTimeFormat options property dateStyle")
	}
	switch clock {
	case "":
	case "full", "long":
		s.hour, s.minute, s.second, s.zoneName = "numeric", "2-digit", "2-digit", "short"
	case "medium":
		s.hour, s.minute, s.second = "numeric", "2-digit", "2-digit"
	case "short":
		s.hour, s.minute = "numeric", "2-digit"
	default:
		throwRange(vm, "Value "+clock+" out of range for Intl.DateTimeFormat options property timeStyle")
	}
}

// dateText writes one date.
type dateText struct {
	p       *parts
	t       time.Time
	s       dateStyle
	w       *words
	british bool
}

func (s dateStyle) worded() bool {
	return s.month == "long" || s.month == "short" || s.month == "narrow"
}

func number(style string, n int) string {
	if style == "2-digit" {
		return fmt.Sprintf("%02d", n%100)
	}
	return strconv.Itoa(n)
}

func (d dateText) weekdayName() string {
	if d.s.weekday == "long" {
		return d.w.weekdays[d.t.Weekday()]
	}
	return d.w.weekdaysShort[d.t.Weekday()]
}

func (d dateText) monthName() string {
	i := d.t.Month() - 1
	switch {
	case d.s.month == "short":
		return d.w.monthsShort[i]
	case d.s.month == "narrow":
		return strings.ToUpper(string([]rune(d.w.monthsAlone[i])[:1]))
	case d.s.day == "":
		return d.w.monthsAlone[i]
	}
	return d.w.months[i]
}

// list writes fields that are there with what stands before each.
func (d dateText) list(fields ...[3]string) {
	empty := true
	for _, f := range fields { // kind, value, literal before
		if f[1] == "" {
			continue
		}
		if !empty {
			d.p.add("literal", f[2])
		}
		d.p.add(f[0], f[1])
		empty = false
	}
}

func (d dateText) field(style string, n int) string {
	if style == "" {
		return ""
	}
	return number(style, n)
}

func (d dateText) year() string  { return d.field(d.s.year, d.t.Year()) }
func (d dateText) day() string   { return d.field(d.s.day, d.t.Day()) }
func (d dateText) month() string { return d.field(d.s.month, int(d.t.Month())) }

func (d dateText) weekday() string {
	if d.s.weekday == "" {
		return ""
	}
	return d.weekdayName()
}

// dotted is 21.11.2026, two digits for day and month.
func (d dateText) dotted() {
	two := func(style string, n int) string {
		if style == "" {
			return ""
		}
		return fmt.Sprintf("%02d", n)
	}
	if d.s.month == "" || d.s.day == "" && d.s.year == "" {
		two = d.field // one number alone
	}
	d.list([3]string{"weekday", d.weekday(), ""}, [3]string{"day", two(d.s.day, d.t.Day()), ", "},
		[3]string{"month", two(d.s.month, int(d.t.Month())), "."}, [3]string{"year", d.year(), "."})
}

// slavic is 21 ноября 2026 г.; without a day Belarusian has no mark of the year.
func (d dateText) slavic(bareYear bool) {
	if !d.s.worded() {
		d.dotted()
		return
	}
	d.list([3]string{"weekday", d.weekday(), ""}, [3]string{"day", d.day(), ", "}, [3]string{"month", d.monthName(), " "}, [3]string{"year", d.year(), " "})
	if d.s.year != "" && (d.s.day != "" || !bareYear) {
		d.p.add("literal", d.w.yearMark)
	}
}

func (d dateText) kazakh() {
	if !d.s.worded() {
		d.dotted()
		return
	}
	year := d.year()
	if year != "" {
		d.p.add("year", year)
		d.p.add("literal", " ж. ")
	}
	d.list([3]string{"day", d.day(), ""}, [3]string{"month", d.monthName(), " "}, [3]string{"weekday", d.weekday(), ", "})
}

func (d dateText) english() {
	month, day, year := d.month(), d.day(), d.year()
	switch {
	case !d.s.worded() && d.british:
		d.list([3]string{"weekday", d.weekday(), ""}, [3]string{"day", padded(day, month), ", "}, [3]string{"month", padded(month, day), "/"}, [3]string{"year", year, "/"})
	case !d.s.worded():
		d.list([3]string{"weekday", d.weekday(), ""}, [3]string{"month", month, ", "}, [3]string{"day", day, "/"}, [3]string{"year", year, "/"})
	case d.british:
		d.list([3]string{"weekday", d.weekday(), ""}, [3]string{"day", day, " "}, [3]string{"month", d.monthName(), " "}, [3]string{"year", year, " "})
	default:
		before := ", "
		if day == "" {
			before = " "
		}
		d.list([3]string{"weekday", d.weekday(), ""}, [3]string{"month", d.monthName(), ", "}, [3]string{"day", day, " "}, [3]string{"year", year, before})
	}
}

// padded is a number with two digits when another one stands beside it.
func padded(s, beside string) string {
	if len(s) == 1 && beside != "" {
		return "0" + s
	}
	return s
}

func (d dateText) time() {
	s := d.s
	if s.hour+s.minute+s.second == "" {
		return
	}
	hour, suffix := d.t.Hour(), ""
	if s.twelve && s.hour != "" {
		suffix = "AM"
		if hour >= 12 {
			suffix = "PM"
		}
		hour = (hour+11)%12 + 1
	}
	h := d.field(s.hour, hour)
	if h != "" && !s.twelve {
		h = fmt.Sprintf("%02d", hour)
	}
	two := func(style string, n int) string {
		if style == "" {
			return ""
		}
		if h == "" && s.minute == "" {
			return number(style, n)
		}
		return fmt.Sprintf("%02d", n)
	}
	d.list([3]string{"hour", h, ""}, [3]string{"minute", two(s.minute, d.t.Minute()), ":"}, [3]string{"second", two(s.second, d.t.Second()), ":"})
	if suffix != "" {
		d.p.add("literal", " ")
		d.p.add("dayPeriod", suffix)
	}
	if s.zoneName != "" {
		d.p.add("literal", " ")
		d.p.add("timeZoneName", zoneText(d.t))
	}
}

// zoneText is GMT+3, GMT-3:30 or UTC.
func zoneText(t time.Time) string {
	name, seconds := t.Zone()
	if name == "UTC" {
		return "UTC"
	}
	sign := "+"
	if seconds < 0 {
		sign, seconds = "-", -seconds
	}
	text := "GMT" + sign + strconv.Itoa(seconds/3600)
	if minutes := seconds % 3600 / 60; minutes != 0 {
		text += fmt.Sprintf(":%02d", minutes)
	}
	return text
}
