package stream

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
)

// run connects and reads until the stream ends. It counts as work in flight
// but while it waits.
func (c *Client) run() {
	err := c.connections()
	c.mu.Lock()
	stopped := c.stopping
	c.stopping = true
	c.mu.Unlock()
	c.cancel()
	if stopped {
		err = nil
		defer c.clk.Busy(-1) // of Stop
	}
	c.o.Notify(Event{Kind: Ended, Err: err})
	c.clk.Busy(-1)
}

// connections opens one connection after another.
func (c *Client) connections() error {
	tries := 0
	for n := 0; ; n++ {
		since := c.clk.Now()
		err, again := c.connection(n)
		switch {
		case err == nil, c.ctx.Err() != nil, !again:
			return err
		case clock.Since(c.clk, since) >= stable:
			tries = 0
		}
		if tries++; tries > c.o.Reconnect {
			return fault.New(fault.Network, "stream: the connection is lost: %w", err).WithHint("is the server still running?")
		}
		c.o.Notify(Event{Kind: Lost, N: tries, Err: err})
		c.pause(min(firstPause<<(tries-1), longestPause))
	}
}

// pause waits on the clock, or until the stream is stopped.
func (c *Client) pause(d time.Duration) {
	woken := make(chan struct{})
	t := c.clk.AfterFunc(d, func() {
		c.clk.Busy(1)
		close(woken)
	})
	c.clk.Busy(-1)
	select {
	case <-woken:
	case <-c.ctx.Done():
		if t.Stop() {
			c.clk.Busy(1)
		} else {
			<-woken
		}
	}
}

// connection is one connection from its opening to its end. again says that
// another one may help.
func (c *Client) connection(n int) (err error, again bool) {
	sock, err := c.o.Opener.Open(c.ctx, netx.SocketRequest{URL: c.o.URL, Header: c.o.Header, Protocols: c.o.Protocols})
	if err != nil {
		code := fault.CodeOf(err)
		return err, n > 0 && code != fault.Denied && code != fault.Invalid
	}
	c.connects.Add(1)
	if !c.begin() {
		sock.Close(netx.SocketNormal, "")
		return nil, false
	}
	written := make(chan struct{})
	c.clk.Busy(1) // until the server is greeted
	go func() {
		defer close(written)
		c.write(sock, n)
	}()
	c.o.Notify(Event{Kind: Opened, N: n})
	err, again = c.read(sock)
	status := netx.SocketNormal
	if err != nil {
		status = netx.SocketAway
	}
	c.finish()
	sock.Close(status, "")
	<-written
	return err, again
}

// begin lets messages queue up; false when the stream is stopped already.
func (c *Client) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping {
		return false
	}
	c.open, c.slow, c.broken = true, false, nil
	return true
}

// finish drops what waits for a connection that is over.
func (c *Client) finish() {
	c.mu.Lock()
	c.open = false
	left := len(c.queue)
	c.dropped.Add(uint64(c.frames))
	c.queue, c.frames = nil, 0
	c.mu.Unlock()
	c.clk.Busy(-left)
	c.rouse()
}

// errDone is the server's wish to end the stream.
var errDone = errors.New("done")

// read takes messages until the connection ends.
func (c *Client) read(sock netx.Socket) (err error, again bool) {
	second, count := c.clk.Now(), 0
	for {
		c.clk.Busy(-1)
		text, data, err := sock.Read(context.Background()) // ended by Close
		c.clk.Busy(1)
		if err != nil {
			return c.closed(err)
		}
		c.received.Add(1)
		err = c.take(text, data)
		switch {
		case errors.Is(err, errDone):
			return nil, false
		case err != nil:
			return err, false
		}
		if count++; count < MaxRate {
			continue
		}
		if rest := time.Second - clock.Since(c.clk, second); rest > 0 {
			c.pause(rest)
		}
		second, count = c.clk.Now(), 0
	}
}

// ends are the goodbyes after which no other connection is tried: the server
// has meant it.
var ends = []int{1000, 1005, 1002, 1003, 1007, 1008, 1009, 1010}

// closed decides what the end of a connection means.
func (c *Client) closed(err error) (error, bool) {
	c.mu.Lock()
	broken := c.broken
	c.mu.Unlock()
	if broken != nil {
		return broken, false
	}
	bye, said := errors.AsType[*netx.SocketClosed](err)
	switch {
	case !said:
		return err, true
	case bye.Status == 1000 || bye.Status == 1005 || bye.Status >= 4000:
		return nil, false
	case slices.Contains(ends, bye.Status):
		return fault.New(fault.Network, "stream: %w", bye), false
	}
	return err, true
}

// take carries out one message of the server.
func (c *Client) take(text bool, data []byte) error {
	m, err := parse(data)
	if !text {
		err = errors.New("a binary message")
	}
	if err != nil {
		return c.reject(err)
	}
	switch m.Event {
	case "media":
		c.hear(m)
	case "mark":
		if !c.mark(m.Mark.Name) {
			c.overflow()
		}
	case "clear":
		c.o.Tap.Clear()
		c.o.Notify(Event{Kind: Cleared})
	case "message":
		c.o.Notify(Event{Kind: Message, Body: m.Message})
	case "stop":
		return errDone
	}
	return nil
}

// hear queues audio for the caller.
func (c *Client) hear(m inMessage) {
	if !c.o.Tap.Feed(c.o.Format.decode(m.audio)) {
		c.refused.Add(1)
		c.overflow()
		return
	}
	c.mu.Lock()
	c.flood = false
	c.mu.Unlock()
}

// overflow tells once that the server sends more than fits.
func (c *Client) overflow() {
	c.mu.Lock()
	told := c.flood
	c.flood = true
	c.mu.Unlock()
	if !told {
		c.o.Notify(Event{Kind: Overflow, Name: "flood"})
	}
}

// reject drops a message that is none.
func (c *Client) reject(err error) error {
	n := c.garbage.Add(1)
	c.o.Notify(Event{Kind: Garbage, Err: err})
	if n < MaxGarbage {
		return nil
	}
	return fault.New(fault.Network, "stream: %d messages of the server are none (limit garbage), the last: %w", n, err).
		WithHint("messages are JSON texts: {\"event\": \"media\", \"media\": {\"payload\": base64}}")
}

// write sends what waits until the connection ends.
func (c *Client) write(sock netx.Socket, n int) {
	w := &writer{c: c, sock: sock}
	greeted := w.greet(n)
	c.clk.Busy(-1)
	if !greeted {
		return
	}
	for {
		it, ok, over := c.next()
		switch {
		case over:
			return
		case !ok:
			<-c.wake
			continue
		}
		err := w.put(it)
		c.clk.Busy(-1)
		if err != nil || it.other.Event == "stop" {
			sock.Close(netx.SocketNormal, "")
			return
		}
	}
}

// next is the oldest message that waits; over tells that the connection ends.
func (c *Client) next() (it item, ok, over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.open:
		return it, false, true
	case c.broken != nil:
		c.clk.Busy(1)
		return item{other: outMessage{Event: "stop", Stop: &stopBody{account, c.o.Call}}}, true, false
	case len(c.queue) == 0:
		c.slow = false
		return it, false, false
	}
	it = c.queue[0]
	c.queue[0] = item{}
	c.queue = c.queue[1:]
	if it.frame != nil {
		c.frames--
	}
	return it, true, false
}

// writer numbers the messages of one connection.
type writer struct {
	c        *Client
	sock     netx.Socket
	sequence int
	chunks   [2]int
}

// greet sends what every connection begins with.
func (w *writer) greet(n int) bool {
	o := &w.c.o
	tracks := make([]string, len(o.Tracks))
	for i, t := range o.Tracks {
		tracks[i] = t.String()
	}
	params := o.Parameters
	if params == nil {
		params = map[string]string{}
	}
	w.sequence++
	start := startMessage{Event: "start", Sequence: "1", StreamSID: o.ID, Start: startBody{
		StreamSID: o.ID, AccountSID: account, CallSID: o.Call, Tracks: tracks,
		Format: mediaFormat{o.Format.Encoding, 8000, 1}, Parameters: params,
		From: o.From, To: o.To, Direction: o.Direction, Reconnect: n,
	}}
	if w.json(connectedMessage{"connected", "Call", "1.0.0"}) != nil || w.json(start) != nil {
		w.sock.Close(netx.SocketAway, "")
		return false
	}
	return true
}

func (w *writer) put(it item) error {
	m := it.other
	if it.frame != nil {
		w.chunks[it.track]++
		m = outMessage{Event: "media", Media: &mediaBody{
			Track: it.track.String(), Chunk: itoa(w.chunks[it.track]), Timestamp: itoa(it.at.Milliseconds()),
			Payload: base64.StdEncoding.EncodeToString(it.frame),
		}}
		w.c.sent.Add(1)
	}
	w.sequence++
	m.Sequence, m.StreamSID = itoa(w.sequence), w.c.o.ID
	return w.json(m)
}

func (w *writer) json(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	return w.sock.Write(context.Background(), true, data)
}
