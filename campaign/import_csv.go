package campaign

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
)

// columns says what each column of a CSV is.
type columns struct {
	phones                           []int
	zone, at, expires, priority, key int // -1: none
	data                             []int
	names                            []string
}

// reserved are the columns with a meaning of their own, beside phone2 and on.
var reserved = []string{"zone", "at", "expires", "priority", "key"}

// csv reads a table with a header row.
func (in *importer) csv(l *lineReader) error {
	l.begin()
	head, comma, err := header(l)
	if err != nil {
		return err
	}
	cols, err := readColumns(head)
	if err != nil {
		return err
	}
	for {
		fields, line, ok, err := l.record(comma)
		switch {
		case err != nil && l.failed() != nil:
			return l.failed()
		case err != nil:
			if err := in.row(line, rawContact{}, err); err != nil {
				return err
			}
			continue
		case !ok:
			return nil
		case blank(fields):
			continue
		}
		raw, err := cols.contact(fields)
		if err := in.row(line, raw, err); err != nil {
			return err
		}
	}
}

// header reads the first row that is not blank, and the delimiter: the one
// that parts it most often, unless a line "sep=;" names it.
func header(l *lineReader) (fields []string, comma byte, err error) {
	for {
		for bytes.IndexByte(l.buf[l.a:l.z], '\n') < 0 && l.fill() {
		}
		first, _, _ := bytes.Cut(l.buf[l.a:l.z], []byte("\n"))
		first = bytes.TrimSpace(first)
		if rest, ok := bytes.CutPrefix(first, []byte("sep=")); ok && len(rest) == 1 {
			comma = rest[0]
			if _, _, _, err := l.next(); err != nil {
				return nil, 0, err
			}
			continue
		}
		if comma == 0 && len(first) > 0 {
			comma = delimiter(first)
		}
		sep := comma
		if sep == 0 {
			sep = ','
		}
		fields, _, ok, err := l.record(sep)
		if err == nil {
			err = l.failed()
		}
		if err != nil || !ok {
			if err == nil {
				err = fault.New(fault.Invalid, "import: there is nothing in it").WithHint("a CSV begins with a header row; one column is phone")
			}
			return nil, 0, err
		}
		if !blank(fields) {
			return fields, sep, nil
		}
	}
}

// delimiter is the character that parts the header.
func delimiter(line []byte) byte {
	best, most := byte(','), 0
	for _, d := range []byte{',', ';', '\t', '|'} {
		n, quoted := 0, false
		for _, b := range line {
			if b == '"' {
				quoted = !quoted
			}
			if b == d && !quoted {
				n++
			}
		}
		if n > most {
			best, most = d, n
		}
	}
	return best
}

func blank(fields []string) bool {
	for _, f := range fields {
		if strings.TrimSpace(f) != "" {
			return false
		}
	}
	return true
}

func readColumns(head []string) (columns, error) {
	c := columns{zone: -1, at: -1, expires: -1, priority: -1, key: -1}
	if len(head) > MaxColumns {
		return c, fault.New(fault.Limit, "import: more than %d columns", MaxColumns)
	}
	order := map[int]int{} // of phoneN
	places := map[string]*int{"zone": &c.zone, "at": &c.at, "expires": &c.expires, "priority": &c.priority, "key": &c.key}
	seen := map[string]bool{}
	for i, name := range head {
		name = strings.TrimSpace(name)
		low := strings.ToLower(name)
		c.names = append(c.names, name)
		if name == "" {
			continue
		}
		if seen[low] {
			return c, fault.New(fault.Invalid, "import: two columns are named %q", name)
		}
		seen[low] = true
		if n, ok := phoneColumn(low); ok {
			order[n] = i
		} else if p := places[low]; p != nil {
			*p = i
		} else {
			c.data = append(c.data, i)
		}
	}
	for n := 1; n <= MaxPhones; n++ {
		if i, ok := order[n]; ok {
			c.phones = append(c.phones, i)
		}
	}
	if len(c.phones) == 0 {
		return c, fault.New(fault.Invalid, "import: no column is named phone; there are %.200s", strings.Join(c.names, ", ")).
			WithHint("the first row names the columns: phone (phone2, …), %s; all others are data", strings.Join(reserved, ", "))
	}
	return c, nil
}

// phoneColumn reads phone, phone1, phone2, … as their order.
func phoneColumn(name string) (int, bool) {
	rest, ok := strings.CutPrefix(name, "phone")
	if !ok || rest == "" {
		return 1, ok
	}
	n, err := strconv.Atoi(rest)
	return n, err == nil && n >= 1 && n <= MaxPhones
}

// contact parts a row by its columns.
func (c *columns) contact(fields []string) (rawContact, error) {
	cell := func(i int) string {
		if i < 0 || i >= len(fields) {
			return ""
		}
		return fields[i]
	}
	r := rawContact{zone: cell(c.zone), at: cell(c.at), expires: cell(c.expires), priority: cell(c.priority), key: cell(c.key)}
	for _, i := range c.phones {
		r.phones = append(r.phones, cell(i))
	}
	if len(fields) > len(c.names) && !blank(fields[len(c.names):]) {
		if i := c.phones[0]; i+1 < len(fields) && scientific.MatchString(cell(i)+","+cell(i+1)) {
			r.phones = []string{cell(i) + "," + cell(i+1)}
			return r, errExcel(r.phones[0])
		}
		return r, fault.New(fault.Invalid, "%d columns, the header has %d", len(fields), len(c.names)).WithHint("put texts with the delimiter in them in quotes")
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for n, i := range c.data {
		if n > 0 {
			b.WriteByte(',')
		}
		writeText(&b, c.names[i])
		b.WriteByte(':')
		writeText(&b, cell(i))
	}
	b.WriteByte('}')
	r.data = b.Bytes()
	return r, nil
}

func writeText(b *bytes.Buffer, s string) {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s)       // a text always encodes
	b.Truncate(b.Len() - 1) // the encoder's line end
}

// record reads one row (RFC 4180, with any delimiter; line ends in quotes are
// part of the field). An error is of the row alone: the reader stands behind
// its first line then.
func (l *lineReader) record(comma byte) (fields []string, line int, ok bool, err error) {
	line = l.line
	for {
		raw, n, whole := split(l.buf[l.a:l.z], comma, l.err != nil)
		if whole {
			if n == 0 {
				return nil, line, false, l.failed()
			}
			used := l.buf[l.a : l.a+n]
			l.line += bytes.Count(used, []byte("\n"))
			if used[n-1] == '\r' {
				l.line++
			}
			for _, f := range raw {
				fields = append(fields, l.text(f))
			}
			l.a += n
			if len(raw) > MaxColumns {
				return nil, line, true, fault.New(fault.Limit, "more than %d columns", MaxColumns)
			}
			return fields, line, true, nil
		}
		if l.fill() {
			continue
		}
		if l.err == nil || bytes.IndexByte(l.buf[l.a:l.z], '"') >= 0 {
			quoted := bytes.IndexByte(l.buf[l.a:min(l.z, l.a+MaxLine)], '"') >= 0
			l.skip()
			if quoted {
				return nil, line, true, fault.New(fault.Invalid, "a quote is not closed")
			}
			return nil, line, true, fault.New(fault.Limit, "more than %d bytes", MaxLine)
		}
	}
}

// split parts the first row of b. whole is false when its end is not in b;
// n is how many bytes it takes, 0 when there is no row.
func split(b []byte, comma byte, last bool) (fields [][]byte, n int, whole bool) {
	if len(b) == 0 {
		return nil, 0, last
	}
	for {
		field, size, end, ok := cell(b[n:], comma, last)
		if !ok {
			return nil, 0, false
		}
		fields = append(fields, field)
		if n += size; end {
			return fields, n, true
		}
	}
}

// cell reads one field: its size with what ends it, and whether that ends the
// row.
func cell(b []byte, comma byte, last bool) (field []byte, size int, end, ok bool) {
	i := 0
	if len(b) > 0 && b[0] == '"' {
		var out []byte
		for i = 1; ; i++ {
			q := bytes.IndexByte(b[i:], '"')
			if q < 0 {
				return nil, 0, false, false
			}
			out = append(out, b[i:i+q]...)
			if i += q; i+1 < len(b) && b[i+1] == '"' {
				out = append(out, '"')
				i++
				continue
			}
			if i+1 == len(b) && !last {
				return nil, 0, false, false // the next byte may be a quote, too
			}
			break
		}
		i++
		field = out
	}
	for start := i; ; i++ {
		if i == len(b) {
			if !last {
				return nil, 0, false, false
			}
			return append(field, b[start:i]...), i, true, true
		}
		switch b[i] {
		case comma:
			return append(field, b[start:i]...), i + 1, false, true
		case '\n':
			return append(field, bytes.TrimSuffix(b[start:i], []byte("\r"))...), i + 1, true, true
		case '\r':
			switch {
			case i+1 == len(b) && !last:
				return nil, 0, false, false // a line feed may follow
			case i+1 == len(b) || b[i+1] != '\n': // old line ends
				return append(field, b[start:i]...), i + 1, true, true
			}
		}
	}
}
