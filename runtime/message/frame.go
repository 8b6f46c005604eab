package message

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"github.com/loopstart/loopstart/internal/fault"
)

// HeaderBytes is the length of a frame's header on the wire: kind (1), VM (8),
// sequence number (4) and body length (4), big-endian.
const HeaderBytes = 17

// readStep bounds how much memory a header alone can claim: a body is read and
// grown in steps of this many bytes.
const readStep = 64 << 10

// AppendFrame appends the wire form of f to dst. The body must not be longer
// than [MaxBody].
func AppendFrame(dst []byte, f Frame) ([]byte, error) {
	if err := checkFrame(f.Kind, len(f.Body)); err != nil {
		return dst, err
	}
	dst = append(dst, byte(f.Kind))
	dst = binary.BigEndian.AppendUint64(dst, f.VM)
	dst = binary.BigEndian.AppendUint32(dst, f.Seq)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(f.Body)))
	return append(dst, f.Body...), nil
}

func checkFrame(k Kind, body int) error {
	if k < Ready || k > Pong {
		return fault.New(fault.Invalid, "message: unknown kind of frame %d", k)
	}
	if body > MaxBody {
		return fault.New(fault.Limit, "message: a %s of %d bytes is over the limit of %d", k, body, MaxBody)
	}
	return nil
}

// Reader reads frames from a byte stream. It belongs to one goroutine.
type Reader struct {
	r      *bufio.Reader
	header [HeaderBytes]byte
}

// NewReader returns a Reader of r.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReaderSize(r, readStep)} }

// Read returns the next frame. The body is the caller's own. The error is
// io.EOF only between two frames.
func (r *Reader) Read() (Frame, error) {
	if _, err := io.ReadFull(r.r, r.header[:]); err != nil {
		if err == io.EOF {
			return Frame{}, io.EOF
		}
		return Frame{}, fmt.Errorf("message: read header: %w", err)
	}
	f := Frame{
		Kind: Kind(r.header[0]),
		VM:   binary.BigEndian.Uint64(r.header[1:]),
		Seq:  binary.BigEndian.Uint32(r.header[9:]),
	}
	length := binary.BigEndian.Uint32(r.header[13:])
	if err := checkFrame(f.Kind, int(length)); err != nil {
		return Frame{}, err
	}
	body, err := r.body(int(length))
	if err != nil {
		return Frame{}, fmt.Errorf("message: read body: %w", err)
	}
	f.Body = body
	return f, nil
}

func (r *Reader) body(length int) (json.RawMessage, error) {
	if length == 0 {
		return nil, nil
	}
	body := make([]byte, 0, min(length, readStep))
	for len(body) < length {
		from := len(body)
		step := min(length-from, max(from, readStep))
		body = append(body, make([]byte, step)...)
		if _, err := io.ReadFull(r.r, body[from:]); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return body, nil
}

var kindNames = [...]string{
	Ready: "ready", Load: "load", Loaded: "loaded", Start: "start", Settle: "settle", Event: "event",
	End: "end", Unload: "unload", Call: "call", Update: "update", Done: "done", Ping: "ping", Pong: "pong",
}

// String is the kind's name in logs.
func (k Kind) String() string {
	if k < Ready || k > Pong {
		return fmt.Sprintf("kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// Encode returns the frame of kind k with v as its JSON body. A v of
// json.RawMessage is taken as it is.
func Encode(k Kind, vm uint64, seq uint32, v any) (Frame, error) {
	f := Frame{Kind: k, VM: vm, Seq: seq}
	switch body := v.(type) {
	case nil:
		return f, nil
	case json.RawMessage:
		f.Body = body
	default:
		text, err := json.Marshal(body)
		if err != nil {
			return f, fmt.Errorf("message: encode %s: %w", k, err)
		}
		f.Body = text
	}
	return f, checkFrame(k, len(f.Body))
}

// Decode reads the body of f into v.
func (f Frame) Decode(v any) error {
	if err := json.Unmarshal(f.Body, v); err != nil {
		return fmt.Errorf("message: decode %s: %w", f.Kind, err)
	}
	return nil
}
