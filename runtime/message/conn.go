package message

import "io"

// Conn is one end of the connection between the host and a worker.
type Conn interface {
	// Send hands a frame over. The body belongs to the receiver from then on.
	Send(Frame) error
	// Receive returns the next frame; io.EOF when the other end has closed.
	// One goroutine calls it, and calling it again says that the frame before
	// has been handled.
	Receive() (Frame, error)
	// Close ends both directions.
	Close() error
}

// Stream is a Conn over a pair of byte streams.
type Stream struct {
	*Writer
	reader  *Reader
	closers []io.Closer
}

// NewStream returns a Conn that reads from in and writes to out. Close closes
// those of the two that are io.Closers.
func NewStream(in io.Reader, out io.Writer, overflow Overflow) *Stream {
	s := &Stream{Writer: NewWriter(out, overflow), reader: NewReader(in)}
	for _, end := range []any{in, out} {
		if c, ok := end.(io.Closer); ok {
			s.closers = append(s.closers, c)
		}
	}
	return s
}

// Receive reads the next frame.
func (s *Stream) Receive() (Frame, error) { return s.reader.Read() }

// Flush stops taking frames, writes what is queued and waits for it. Close has
// still to be called.
func (s *Stream) Flush() error { return s.Writer.Close() }

// Close closes both streams; frames that are queued may be lost.
func (s *Stream) Close() error {
	s.Writer.shut()
	var first error
	for _, c := range s.closers {
		if err := c.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}
