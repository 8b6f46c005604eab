package runtime

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// Size of a code frame: two lines around the one that is meant, each cut to a
// width that fits a terminal.
const (
	frameContext = 2
	frameWidth   = 110
)

// codeFrame shows the lines around a place with a caret under it:
//
//	  4 | export default async function (call) {
//	> 5 |   await call.sai("hello");
//	    |              ^
//	  6 | }
//
// It is "" if the source is not known.
func (v *version) codeFrame(place string) string {
	file, row, col, ok := splitPlace(place)
	if !ok {
		return ""
	}
	lines := strings.Split(v.source(file), "\n")
	if row > len(lines) || len(lines) == 1 && lines[0] == "" {
		return ""
	}
	first, last := max(1, row-frameContext), min(len(lines), row+frameContext)
	digits := len(strconv.Itoa(last))
	var b strings.Builder
	for n := first; n <= last; n++ {
		line, caret := fitLine(strings.TrimRight(lines[n-1], "\r"), col)
		mark := " "
		if n == row {
			mark = ">"
		}
		fmt.Fprintf(&b, "%s %*d | %s\n", mark, digits, n, line)
		if n == row {
			fmt.Fprintf(&b, "  %*s | %s^\n", digits, "", caret)
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func splitPlace(place string) (file string, row, col int, ok bool) {
	rest, colText, ok1 := cutLast(place, ":")
	file, rowText, ok2 := cutLast(rest, ":")
	row, err1 := strconv.Atoi(rowText)
	col, err2 := strconv.Atoi(colText)
	return file, row, col, ok1 && ok2 && err1 == nil && err2 == nil && row > 0 && col > 0
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// fitLine cuts a long line to what is around column col, which counts UTF-16
// units from 1, and returns what has to stand before the caret: tabs stay tabs,
// so that both lines are indented alike.
func fitLine(line string, col int) (shown, caret string) {
	units := utf16.Encode([]rune(line))
	before := []rune(string(utf16.Decode(units[:min(col-1, len(units))])))
	all := []rune(line)
	from := max(0, len(before)-frameWidth*2/3)
	to := min(len(all), from+frameWidth)
	pad := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, string(before[min(from, len(before)):]))
	return string(all[from:to]), pad
}
