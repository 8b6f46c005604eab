package campaign

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/loopstart/loopstart/internal/fault"
)

const (
	lineBuffer = 2 * MaxLine
	sampleSize = 64 << 10 // what decides on the encoding
)

// lineReader holds a window of the input, so that a row that turns out to be
// broken can be taken back to its first line.
type lineReader struct {
	r    io.Reader
	buf  []byte
	a, z int // the part not yet used
	err  error
	line int // of the next row, from 1
	cp   bool
	set  bool // the encoding is decided
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{r: r, buf: make([]byte, lineBuffer), line: 1}
}

// fill reads more; it reports false at the end or when the window is full.
func (l *lineReader) fill() bool {
	if l.err != nil || l.z-l.a >= MaxLine {
		return false
	}
	if l.z+MaxLine/4 > len(l.buf) {
		l.z = copy(l.buf, l.buf[l.a:l.z])
		l.a = 0
	}
	n, err := l.r.Read(l.buf[l.z:])
	l.z += n
	if err != nil {
		l.err = err
	}
	return n > 0 || err == nil
}

// failed is the error of the input, nil at its end.
func (l *lineReader) failed() error {
	if l.err == nil || errors.Is(l.err, io.EOF) {
		return nil
	}
	return fault.New(fault.Unavailable, "import: line %d: %w", l.line, l.err)
}

// begin decides on the encoding by a first look, and drops byte order marks.
func (l *lineReader) begin() {
	if l.set {
		return
	}
	l.set = true
	for l.z-l.a < sampleSize && l.fill() {
	}
	head := l.buf[l.a:l.z]
	switch {
	case bytes.HasPrefix(head, []byte{0xEF, 0xBB, 0xBF}):
		l.a += 3
		return
	case bytes.HasPrefix(head, []byte{0xFF, 0xFE}), bytes.HasPrefix(head, []byte{0xFE, 0xFF}):
		// What spreadsheets call Unicode text.
		rest := io.MultiReader(bytes.NewReader(bytes.Clone(head)), tail{l.r, l.err})
		l.r, l.err = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder().Reader(rest), nil
		l.a, l.z = 0, 0
		for l.z-l.a < sampleSize && l.fill() {
		}
		return
	}
	sample := head[:min(len(head), sampleSize)]
	if len(sample) == sampleSize { // its last character may be cut
		sample = sample[:sampleSize-utf8.UTFMax]
		for len(sample) > 0 && !utf8.RuneStart(head[len(sample)]) {
			sample = sample[:len(sample)-1]
		}
	}
	l.cp = !utf8.Valid(sample)
}

// tail goes on with a reader that may have ended already.
type tail struct {
	r   io.Reader
	err error
}

func (t tail) Read(p []byte) (int, error) {
	if t.err != nil {
		return 0, t.err
	}
	return t.r.Read(p)
}

// text decodes what is not UTF-8 as Windows-1251.
func (l *lineReader) text(b []byte) string {
	if !l.cp && utf8.Valid(b) {
		return string(b)
	}
	out, err := charmap.Windows1251.NewDecoder().Bytes(b)
	if err != nil {
		return string(bytes.ToValidUTF8(b, []byte("�")))
	}
	return string(out)
}

// next is the next line without its end, valid until the following call.
func (l *lineReader) next() (line []byte, number int, ok bool, err error) {
	l.begin()
	for from := 0; ; {
		if i := bytes.IndexByte(l.buf[l.a+from:l.z], '\n'); i >= 0 {
			line = l.buf[l.a : l.a+from+i]
			l.a += from + i + 1
			l.line++
			return bytes.TrimSuffix(line, []byte("\r")), l.line - 1, true, nil
		}
		from = l.z - l.a
		if l.fill() {
			continue
		}
		if l.err == nil { // the window is full
			return nil, l.line, false, errLong(l.line)
		}
		line = l.buf[l.a:l.z]
		l.a = l.z
		l.line++
		return line, l.line - 1, len(line) > 0, l.failed()
	}
}

func errLong(line int) error {
	return fault.New(fault.Limit, "import: line %d has more than %d bytes", line, MaxLine)
}

// skip drops the rest of a line that is too long.
func (l *lineReader) skip() {
	for {
		if i := bytes.IndexByte(l.buf[l.a:l.z], '\n'); i >= 0 {
			l.a += i + 1
			l.line++
			return
		}
		l.a = l.z
		if !l.fill() {
			return
		}
	}
}

// sniff tells the format by the first character.
func (l *lineReader) sniff() (string, error) {
	l.begin()
	for l.z-l.a < 2 && l.fill() {
	}
	head := bytes.TrimLeft(l.buf[l.a:l.z], " \t\r\n")
	switch {
	case len(head) == 0:
		return FormatCSV, l.failed()
	case head[0] == '[':
		return FormatJSON, nil
	case head[0] != '{':
		return FormatCSV, nil
	}
	if rest := bytes.TrimLeft(head[1:], " \t\r\n"); bytes.HasPrefix(rest, []byte(`"contacts"`)) {
		return FormatJSON, nil
	}
	return FormatNDJSON, nil
}

// Read goes on with the input as bytes, for a decoder.
func (l *lineReader) Read(p []byte) (int, error) {
	l.begin()
	if l.a == l.z && !l.fill() {
		if err := l.failed(); err != nil {
			return 0, err
		}
		return 0, io.EOF
	}
	n := copy(p, l.buf[l.a:l.z])
	l.a += n
	return n, nil
}
