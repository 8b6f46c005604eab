package engine

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/pcap"
	"github.com/loopstart/loopstart/internal/quote"
)

// The SIP messages of a call are stored as the last entry of its timeline,
// packed, so that they are kept, erased and backed up with it.

// ladderKind is the kind of that entry; it is never shown as one.
const ladderKind = "wire"

// maxLadder is how much a stored ladder may unpack to, in bytes.
const maxLadder = 2 << 20

// Ladder is what GET /v1/calls/{id}/sip answers.
type Ladder struct {
	Call     string       `json:"call"`
	Messages []SIPMessage `json:"messages"`
	Dropped  int          `json:"dropped,omitempty"` // messages over the limit of a call
}

// SIPMessage is one message of a ladder. Secrets in its text are masked.
type SIPMessage struct {
	At        time.Time      `json:"at"`
	Leg       string         `json:"leg"`
	Direction string         `json:"direction"` // in, out
	Transport string         `json:"transport"`
	From      netip.AddrPort `json:"from"` // of the packet
	To        netip.AddrPort `json:"to"`
	Line      string         `json:"line"` // the first one
	Text      string         `json:"text"`
}

func ladderOf(t *call.Timeline) Ladder {
	list, dropped := t.Wire()
	l := Ladder{Messages: make([]SIPMessage, 0, len(list)), Dropped: dropped}
	for _, m := range list {
		s := SIPMessage{At: m.At.UTC(), Leg: m.Leg, Direction: "in", Transport: m.Transport, From: m.Remote, To: m.Local, Text: string(m.Text)}
		if m.Sent {
			s.Direction, s.From, s.To = "out", m.Local, m.Remote
		}
		s.Line, _, _ = strings.Cut(s.Text, "\r\n")
		l.Messages = append(l.Messages, s)
	}
	return l
}

// withLadder is a timeline as it is stored.
func (e *Engine) withLadder(t *call.Timeline) []call.Entry {
	entries, l := t.Entries(), ladderOf(t)
	if len(l.Messages) == 0 {
		return entries
	}
	if packed := packLadder(l); packed != "" {
		entries = append(entries, call.Entry{Kind: ladderKind, Detail: packed})
	}
	return entries
}

// packLadder writes the JSON of a ladder, without its lines, which stand in the
// texts. Every call is packed, and reflection would take half of the time.
func packLadder(l Ladder) string {
	raw := make([]byte, 0, ladderRoom*(1+len(l.Messages)))
	raw = quote.AppendJSON(append(raw, `{"call":`...), l.Call)
	raw = append(raw, `,"messages":[`...)
	for i, m := range l.Messages {
		if i > 0 {
			raw = append(raw, ',')
		}
		raw = append(m.At.AppendFormat(append(raw, `{"at":"`...), time.RFC3339Nano), '"')
		for _, member := range [...]struct{ name, value string }{{"leg", m.Leg}, {"direction", m.Direction}, {"transport", m.Transport},
			{"from", addrText(m.From)}, {"to", addrText(m.To)}, {"text", m.Text}} {
			raw = append(append(append(raw, `,"`...), member.name...), `":`...)
			raw = quote.AppendJSON(raw, member.value)
		}
		raw = append(raw, '}')
	}
	raw = append(raw, `],"dropped":`...)
	raw = append(strconv.AppendInt(raw, int64(l.Dropped), 10), '}')
	return base64.StdEncoding.EncodeToString(s2.Encode(nil, raw))
}

// ladderRoom is about what a message takes, in bytes.
const ladderRoom = 1 << 10

// addrText is an address as JSON has it: no address is no text.
func addrText(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// cutLadder parts a stored timeline from its ladder.
func cutLadder(list []call.Entry) (entries []call.Entry, packed string) {
	if n := len(list); n > 0 && list[n-1].Kind == ladderKind {
		return list[:n-1], list[n-1].Detail
	}
	return list, ""
}

func unpackLadder(packed string) (l Ladder, err error) {
	raw, err := base64.StdEncoding.DecodeString(packed)
	if err != nil {
		return l, err
	}
	if n, err := s2.DecodedLen(raw); err != nil || n > maxLadder {
		return l, fmt.Errorf("unpacks to %d bytes: %w", n, cmp.Or(err, s2.ErrTooLarge))
	}
	if raw, err = s2.Decode(nil, raw); err != nil {
		return l, err
	}
	err = json.Unmarshal(raw, &l)
	for i := range l.Messages {
		l.Messages[i].Line, _, _ = strings.Cut(l.Messages[i].Text, "\r\n")
	}
	return l, err
}

// ladder is that of a call that runs or is over; an order's is its last call's.
func (e *Engine) ladder(id string) (l Ladder, err error) {
	if live := e.calls.find(id); live != nil {
		l = ladderOf(live.Timeline())
		l.Call = live.ID()
	} else {
		var list []call.Entry
		if id, list, err = e.storedTimeline(id); err != nil {
			return l, err
		}
		if _, packed := cutLadder(list); packed != "" {
			if l, err = unpackLadder(packed); err != nil {
				return l, fault.New(fault.Internal, "SIP messages of call %s: %w", id, err)
			}
		}
		l.Call = id
	}
	if len(l.Messages) == 0 {
		return l, fault.New(fault.NotFound, "no SIP messages of call %s are kept", l.Call).
			WithHint("sip.trace is false, or it never came to a message; its timeline tells")
	}
	for i := range l.Messages {
		l.Messages[i].Text = e.veil.text(l.Messages[i].Text)
	}
	return l, nil
}

// Ladder implements api.Calls.
func (a *surface) Ladder(id string) (any, error) { return a.e().ladder(id) }

// Capture implements api.Calls.
func (a *surface) Capture(id string, w io.Writer) error {
	l, err := a.e().ladder(id)
	if err != nil {
		return err
	}
	packets := make([]pcap.Packet, len(l.Messages))
	for i, m := range l.Messages {
		packets[i] = pcap.Packet{At: m.At, From: m.From, To: m.To, Payload: []byte(m.Text)}
	}
	return pcap.Write(w, packets)
}
