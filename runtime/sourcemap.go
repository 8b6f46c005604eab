package runtime

import (
	"encoding/json"
	"net/url"
	"path"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-sourcemap/sourcemap"
)

// readMap reads a source map so that goja's positions fit it. goja asks with
// columns in bytes that begin at 1 and returns them as they are, while maps begin at 0;
// and the wrapper's head moves the first line. Both are put right in the
// mappings, since goja's use of the map cannot be.
func readMap(text []byte, source string, head int) (*sourcemap.Consumer, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, err
	}
	var mappings string
	if err := json.Unmarshal(m["mappings"], &mappings); err != nil {
		return nil, err
	}
	shifted, err := json.Marshal(shiftMappings(mappings, source, head))
	if err != nil {
		return nil, err
	}
	m["mappings"] = shifted
	if err := cleanSources(m); err != nil {
		return nil, err
	}
	full, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return sourcemap.Parse("", full)
}

// cleanSources writes the names of sources, which esbuild escapes as in a URL,
// plainly and in their shortest form, which is the one that goja makes of them.
func cleanSources(m map[string]json.RawMessage) error {
	var sources []string
	if err := json.Unmarshal(m["sources"], &sources); err != nil {
		return err
	}
	for i, s := range sources {
		if plain, err := url.PathUnescape(s); err == nil {
			s = plain
		}
		sources[i] = path.Clean(s)
	}
	text, err := json.Marshal(sources)
	m["sources"] = text
	return err
}

// shiftMappings adds 1 to all columns, and head to the generated columns of the
// first line of text. Maps count columns in units of UTF-16 (ECMA-426 §9) and
// goja in bytes, so that the generated columns change behind what is not ASCII.
func shiftMappings(mappings, text string, head int) string {
	lines := strings.Split(mappings, ";")
	sourceDone := false
	for i, line := range lines {
		var generated string
		generated, text, _ = strings.Cut(text, "\n")
		if line == "" {
			continue
		}
		by := 1
		if i == 0 {
			by += head
		}
		if isASCII(generated) {
			// Columns are relative to the segment before, so only the first changes.
			first, others, more := strings.Cut(line, ",")
			lines[i] = shiftSegments([]string{first}, by, &sourceDone, sameColumn)
			if more {
				lines[i] += "," + others
			}
			continue
		}
		lines[i] = shiftSegments(strings.Split(line, ","), by, &sourceDone, bytesOf(generated))
	}
	return strings.Join(lines, ";")
}

// shiftSegments gives a line's segments columns of at, moved by by.
func shiftSegments(segments []string, by int, sourceDone *bool, at func(column int) int) string {
	column, before := 0, -by
	for i, segment := range segments {
		fields := splitVLQ(segment)
		column += fields[0]
		moved := at(column)
		fields[0], before = moved-before, moved
		if !*sourceDone && len(fields) >= 4 {
			fields[3]++ // relative to the segment before, whatever its line
			*sourceDone = true
		}
		segments[i] = joinVLQ(fields)
	}
	return strings.Join(segments, ",")
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

func sameColumn(column int) int { return column }

// bytesOf tells where in line a column stands, in bytes. Columns are asked for
// in any order; what lies behind the end stays as far behind it.
func bytesOf(line string) func(column int) int {
	var offsets []int // by unit
	for at, r := range line {
		for range utf16.RuneLen(r) {
			offsets = append(offsets, at)
		}
	}
	offsets = append(offsets, len(line))
	return func(column int) int {
		last := len(offsets) - 1
		if column > last {
			return offsets[last] + column - last
		}
		return offsets[max(0, column)]
	}
}

const base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// splitVLQ reads the numbers of one segment. Damaged digits count as 0; the
// parser of the map complains about them later.
func splitVLQ(segment string) []int {
	fields := make([]int, 0, 5)
	value, shift := 0, 0
	for _, c := range []byte(segment) {
		digit := max(0, strings.IndexByte(base64Digits, c))
		value |= (digit & 31) << shift
		if shift += 5; digit&32 != 0 && shift < 32 {
			continue
		}
		if value&1 != 0 {
			value = -(value >> 1)
		} else {
			value >>= 1
		}
		fields = append(fields, value)
		value, shift = 0, 0
	}
	if len(fields) == 0 {
		fields = append(fields, 0)
	}
	return fields
}

func joinVLQ(fields []int) string {
	var out []byte
	for _, n := range fields {
		v := n << 1
		if n < 0 {
			v = -n<<1 | 1
		}
		for more := true; more; {
			digit := v & 31
			v >>= 5
			if more = v > 0; more {
				digit |= 32
			}
			out = append(out, base64Digits[digit])
		}
	}
	return string(out)
}
