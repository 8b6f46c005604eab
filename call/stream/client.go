package stream

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
	"github.com/loopstart/loopstart/media"
)

// Opener opens WebSockets within the rules of a script.
type Opener interface {
	Open(context.Context, netx.SocketRequest) (netx.Socket, error)
}

// Options say what is streamed where.
type Options struct {
	ID, Call            string // names of the stream and of the call
	URL                 string // ws or wss
	Header              http.Header
	Protocols           []string // subprotocols that are offered
	Tracks              []media.Track
	Format              Format
	Parameters          map[string]string
	From, To, Direction string
	Reconnect           int // how often a broken connection is opened again
	Opener              Opener
	Tap                 *media.Tap
	Clock               clock.Clock
	// Notify takes what happens, on goroutines of the stream. It must not
	// block. Ended is the last.
	Notify func(Event)
}

// EventKind says what an Event tells.
type EventKind uint8

// The kinds of events.
const (
	Opened   EventKind = iota + 1 // N: how many times before
	Lost                          // Err; it is opened again
	Marked                        // Name: everything before the mark was heard, or cleared (Cleared)
	Message                       // Body of a message of the server
	Cleared                       // the server has dropped its queued audio
	Overflow                      // Name: "slow", audio to the server was dropped; "flood", audio or marks from it
	Garbage                       // Err: a message that is none
	Ended                         // Err, or nil when the server has ended it
)

// Event is something that happened on a stream.
type Event struct {
	Kind    EventKind
	N       int
	Name    string
	Cleared bool // of Marked: not heard but dropped
	Body    json.RawMessage
	Err     error
}

// Stats are the figures of a stream.
type Stats struct {
	Sent, Received    uint64 // frames to the server, messages from it
	Dropped, Refused  uint64 // frames that were not sent, messages with audio that were not played
	Garbage, Connects uint64
}

// Client is one stream.
type Client struct {
	o      Options
	clk    clock.Clock
	began  time.Time
	ctx    context.Context // ends the waiting for a connection
	cancel context.CancelFunc
	wake   chan struct{} // capacity 1: there is something to send
	sent, received, dropped, refused, garbage,
	connects atomic.Uint64

	mu       sync.Mutex
	queue    []item
	frames   int // of queue
	open     bool
	stopping bool
	broken   error // too many control messages wait
	slow     bool  // Overflow was told, and the server has not caught up
	flood    bool
	marks    map[uint32]string
	lastMark uint32
}

// item is one message that waits to be sent.
type item struct {
	frame []byte // payload of a media message
	track media.Track
	at    time.Duration
	other outMessage
}

// Start begins a stream; its end is an Ended event.
func Start(o Options) *Client {
	c := &Client{o: o, clk: o.Clock, began: o.Clock.Now(), wake: make(chan struct{}, 1), marks: map[uint32]string{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.clk.Busy(2)
	go c.pump()
	go c.run()
	return c
}

// Stats may be called at any time.
func (c *Client) Stats() Stats {
	return Stats{c.sent.Load(), c.received.Load(), c.dropped.Load(), c.refused.Load(), c.garbage.Load(), c.connects.Load()}
}

// Digit tells the server of a key that the party has pressed.
func (c *Client) Digit(key string) {
	c.send(outMessage{Event: "dtmf", DTMF: &dtmfBody{"inbound_track", key}})
}

// Send gives the server a message of the script.
func (c *Client) Send(body json.RawMessage) { c.send(outMessage{Event: "message", Message: body}) }

// Mark puts a mark behind what the server has sent so far; Marked tells that it
// was reached, and the server is told too. It reports false when too many wait.
func (c *Client) Mark(name string) bool { return c.mark(name) }

// Clear drops the server's audio that is not heard yet; it is told by its
// marks.
func (c *Client) Clear() { c.o.Tap.Clear() }

// Passed takes a FeedMark event of the tap.
func (c *Client) Passed(number uint32, played bool) {
	c.mu.Lock()
	name, ok := c.marks[number]
	delete(c.marks, number)
	c.mu.Unlock()
	if !ok {
		return
	}
	c.send(outMessage{Event: "mark", Mark: &markBody{name}})
	c.o.Notify(Event{Kind: Marked, Name: name, Cleared: !played})
}

// Stop ends the stream: the server is told, and the connection closed. Ended
// follows with no error.
func (c *Client) Stop() {
	c.mu.Lock()
	was := c.stopping
	c.stopping = true
	c.mu.Unlock()
	if was {
		return
	}
	c.clk.Busy(1) // until run has ended
	c.send(outMessage{Event: "stop", Stop: &stopBody{account, c.o.Call}})
	c.cancel()
	c.rouse()
}

// pump takes the frames of the tap. They are dropped while there is no
// connection.
func (c *Client) pump() {
	c.clk.Busy(-1)
	for f := range c.o.Tap.Frames() {
		if slices.Contains(c.o.Tracks, f.Track) {
			c.frame(item{frame: c.o.Format.encode(f.PCM[:]), track: f.Track, at: f.At})
		}
		c.o.Tap.Release(f)
	}
}

// frame queues audio; the oldest gives way.
func (c *Client) frame(it item) {
	c.mu.Lock()
	if !c.open || c.stopping {
		c.mu.Unlock()
		c.dropped.Add(1)
		return
	}
	told := c.slow
	if c.frames == MaxQueued {
		i := slices.IndexFunc(c.queue, func(x item) bool { return x.frame != nil })
		c.queue = slices.Delete(c.queue, i, i+1)
		c.frames--
		c.slow = true
		c.dropped.Add(1)
		c.clk.Busy(-1)
	}
	tell := c.slow && !told
	c.pushLocked(it)
	c.frames++
	c.mu.Unlock()
	c.rouse()
	if tell {
		c.o.Notify(Event{Kind: Overflow, Name: "slow"})
	}
}

// send queues another message; it is lost while there is no connection.
func (c *Client) send(m outMessage) {
	c.mu.Lock()
	if c.open && len(c.queue)-c.frames < MaxControl {
		c.pushLocked(item{other: m})
	} else if c.open && c.broken == nil {
		c.broken = fault.New(fault.Network, "stream: the server does not read: %d messages wait (limit control)", MaxControl)
	}
	c.mu.Unlock()
	c.rouse()
}

func (c *Client) pushLocked(it item) {
	c.clk.Busy(1)
	c.queue = append(c.queue, it)
}

func (c *Client) rouse() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// mark queues a mark; it reports false when too many wait.
func (c *Client) mark(name string) bool {
	c.mu.Lock()
	if len(c.marks) >= MaxMarks {
		c.mu.Unlock()
		return false
	}
	c.lastMark++
	number := c.lastMark
	c.marks[number] = name
	c.mu.Unlock()
	return c.o.Tap.Mark(number)
}
