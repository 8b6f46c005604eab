package sip

import (
	"bytes"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// MaxTrace is how many bytes of wire messages one dialog keeps; what comes
// later is counted and dropped.
const MaxTrace = 64 << 10

// WireMessage is a SIP message as it went over the wire, secrets masked.
type WireMessage struct {
	At        time.Time
	Sent      bool   // by us
	Transport string // "udp", "tcp", "tls"
	Local     netip.AddrPort
	Remote    netip.AddrPort
	Text      []byte
}

// Trace is the wire messages of one dialog: also repetitions, and what the
// transaction layer sends by itself.
//
// # Concurrency
//
// Any goroutine may add to it or read it.
type Trace struct {
	mu      sync.Mutex
	list    []WireMessage
	size    int
	dropped int
}

// Messages is what was kept so far, in the order of the wire, and how many
// messages were too much.
func (t *Trace) Messages() (list []WireMessage, dropped int) {
	if t == nil {
		return nil, 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return append(list, t.list...), t.dropped
}

func (t *Trace) add(m WireMessage) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.size+len(m.Text) > MaxTrace {
		t.dropped++
		return
	}
	t.size += len(m.Text)
	m.Text = maskWire(m.Text)
	t.list = append(t.list, m)
}

// Wire is the trace of the dialog; nil when traces are off.
func (d *Dialog) Wire() *Trace { return d.wire }

// taps finds the traces of dialogs by Call-ID. Its size is that of the table of
// dialogs.
type taps struct {
	mu   sync.RWMutex
	list map[string][]*Trace
}

// tap begins the trace of a dialog.
func (e *Endpoint) tap(d *Dialog) {
	if e.cfg.Load().NoTrace {
		return
	}
	d.wire = &Trace{}
	e.taps.mu.Lock()
	defer e.taps.mu.Unlock()
	if e.taps.list == nil {
		e.taps.list = map[string][]*Trace{}
	}
	e.taps.list[d.key.callID] = append(e.taps.list[d.key.callID], d.wire)
}

// untap ends the trace of a dialog; what it holds stays.
func (e *Endpoint) untap(d *Dialog) {
	if d.wire == nil {
		return
	}
	e.taps.mu.Lock()
	defer e.taps.mu.Unlock()
	list := e.taps.list[d.key.callID]
	for i, t := range list {
		if t == d.wire {
			list = append(list[:i:i], list[i+1:]...)
			break
		}
	}
	if e.taps.list[d.key.callID] = list; len(list) == 0 {
		delete(e.taps.list, d.key.callID)
	}
}

func (t *taps) of(callID []byte) []*Trace {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.list[string(callID)]
}

// heard notes a message that came and was let in.
func (e *Endpoint) heard(m *rawMessage, text []byte, local, remote netip.AddrPort, transport string) {
	if id := m.get("call-id"); id != nil {
		e.noteWire([]byte(id.value), text, false, local, remote, transport)
	}
}

// said notes a message that went out. Ours have the Call-ID in a line of its own.
func (e *Endpoint) said(text []byte, local, remote netip.AddrPort, transport string) {
	e.taps.mu.RLock()
	none := len(e.taps.list) == 0
	e.taps.mu.RUnlock()
	if none {
		return
	}
	if _, rest, ok := bytes.Cut(text, []byte("\r\nCall-ID: ")); ok {
		id, _, _ := bytes.Cut(rest, []byte("\r\n"))
		e.noteWire(bytes.TrimSpace(id), text, true, local, remote, transport)
	}
}

func (e *Endpoint) noteWire(callID, text []byte, sent bool, local, remote netip.AddrPort, transport string) {
	for _, t := range e.taps.of(callID) {
		if local.Addr().IsUnspecified() {
			local = netip.AddrPortFrom(e.localFor(remote.Addr()), local.Port())
		}
		t.add(WireMessage{At: e.clk.Now(), Sent: sent, Transport: transport, Local: local, Remote: remote, Text: text})
	}
}

// hidden are the values that a trace never shows: what opens accounts and
// media, and keys that a caller has pressed.
var hidden = []struct{ begin, end string }{
	{"response=\"", "\""}, {"rspauth=\"", "\""}, {"cnonce=\"", "\""}, {"inline:", "| \r\n;"}, {"\na=key-mgmt:", "\r\n"}, {"\nk=", "\r\n"},
	{"\nsignal=", "\r\n"}, {"x-loopstart-data:", "\r\n"}, {"\nauthorization: basic ", "\r\n"}, {"\nauthorization: bearer ", "\r\n"},
}

// suspects are parts of every message that may hold something hidden: most hold
// none, and to look for these is cheap.
var suspects = [...][]byte{
	[]byte("uthoriz"), []byte("UTHORIZ"), []byte("rspauth"), []byte("inline"), []byte("INLINE"), []byte("key-mgmt"), []byte("\nk="),
	[]byte("ignal="), []byte("IGNAL="), []byte("oopstart-"), []byte("OOPSTART-"), []byte("dtmf"),
}

// maskWire copies a message without its secrets. A body that is one pressed
// key (application/dtmf) is hidden as a whole.
func maskWire(text []byte) []byte {
	if !slices.ContainsFunc(suspects[:], func(s []byte) bool { return bytes.Contains(text, s) }) {
		return bytes.Clone(text)
	}
	out := make([]byte, 0, len(text))
	for _, h := range hidden {
		if foldIndex(text, h.begin) < 0 {
			continue
		}
		out = out[:0]
		for {
			i := foldIndex(text, h.begin)
			if i < 0 {
				break
			}
			i += len(h.begin)
			out = append(append(out, text[:i]...), "***"...)
			text = text[i:]
			if end := bytes.IndexAny(text, h.end); end >= 0 {
				text = text[end:]
			} else {
				text = nil
			}
		}
		text = append(out, text...)
		out = make([]byte, 0, len(text))
	}
	if i := foldIndex(text, "content-type: application/dtmf\r\n"); i >= 0 {
		if head, body, ok := bytes.Cut(text, []byte("\r\n\r\n")); ok && len(body) > 0 {
			return append(append(out, head...), "\r\n\r\n***"...)
		}
	}
	return append(out, text...)
}
