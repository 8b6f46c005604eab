package sip

import "sync"

// How events leave a dialog: through a channel or straight into a function of
// the call. Whoever takes them first settles which; until then they wait.

// listener is who takes the events of a dialog: a channel or a function.
type listener struct {
	channel chan Event
	sink    func(Event)
	over    func()
}

// outlet is where the events of a dialog leave. Only mu's fields are shared
// with other goroutines than the dialog's.
type outlet struct {
	listener
	backlog backlog
	came    chan listener // capacity 1: the one that takes the events

	mu     sync.Mutex
	known  chan Event // what Events has given
	parted bool       // the dialog's goroutine has left; backlog is mu's now
}

// channelRoom is the capacity of the channel of events.
const channelRoom = 16

// backlog are the events that nobody has taken yet. Few calls ever need it, and
// a channel of EventCapacity would be a third of a call's memory.
type backlog []Event

// Events delivers what happens, in order; it is closed after Ended and has to be
// read to its end. A dialog whose events are not read ends when EventCapacity of
// them wait.
func (d *Dialog) Events() <-chan Event {
	o := &d.outlet
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.known != nil {
		return o.known
	}
	o.known = make(chan Event, channelRoom)
	if o.parted {
		o.backlog.flush(o.known)
		close(o.known)
	} else {
		o.came <- listener{channel: o.known}
	}
	return o.known
}

// Follow is Events without a goroutine that reads: sink gets what happens, in
// order, and must not block; over is called after Ended. Both run on the
// dialog's goroutine, or on the caller's when the dialog is over already. It is
// called once, and not together with Events.
func (d *Dialog) Follow(sink func(Event), over func()) {
	o := &d.outlet
	o.mu.Lock()
	if !o.parted {
		o.came <- listener{sink: sink, over: over}
		o.mu.Unlock()
		return
	}
	left := o.backlog
	o.backlog = nil
	o.mu.Unlock()
	for _, ev := range left {
		sink(ev)
	}
	over()
}

// full tells that one more event would be too much.
func (o *outlet) full() bool {
	return o.sink == nil && len(o.channel)+len(o.backlog) >= EventCapacity
}

// put gives an event to the listener, or keeps it until there is room.
func (o *outlet) put(ev Event) {
	if o.sink != nil {
		o.sink(ev)
		return
	}
	o.backlog = append(o.backlog, ev)
	o.backlog.flush(o.channel)
}

// attach begins to deliver to l, with what has waited for it.
func (o *outlet) attach(l listener) {
	o.listener = l
	if l.sink == nil {
		o.backlog.flush(l.channel)
		return
	}
	left := o.backlog
	o.backlog = nil
	for _, ev := range left {
		l.sink(ev)
	}
}

// flush moves what fits into the channel; a nil channel takes nothing.
func (b *backlog) flush(events chan Event) {
	for len(*b) > 0 {
		select {
		case events <- (*b)[0]:
			b.sent()
		default:
			return
		}
	}
}

// head is the next event and where to send it, nil when there is none.
func (o *outlet) head() (Event, chan<- Event) {
	if len(o.backlog) == 0 {
		return Event{}, nil
	}
	return o.backlog[0], o.channel
}

func (b *backlog) sent() {
	(*b)[0] = Event{}
	if *b = (*b)[1:]; len(*b) == 0 {
		*b = nil
	}
}

// part hands the last events over. A call that does not read them is waited for
// while they are more than a channel holds, until the endpoint closes; then it
// still gets Ended.
func (d *Dialog) part() {
	o := &d.outlet
	for o.waits() {
		select {
		case l := <-o.came:
			o.attach(l)
		case o.channel <- o.backlog[0]:
			o.backlog.sent()
		case <-d.e.ctx.Done():
			o.backlog = o.backlog[len(o.backlog)-1:]
			select {
			case <-o.channel: // makes room
			default:
			}
			o.backlog.flush(o.channel)
		}
	}
	if over := o.leave(); over != nil {
		over()
	}
}

// waits tells that events are left which nobody can find after part.
func (o *outlet) waits() bool {
	if o.channel == nil {
		return len(o.backlog) > channelRoom
	}
	return len(o.backlog) > 0
}

// leave is the last of the goroutine: who comes later takes what is left.
func (o *outlet) leave() (over func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case l := <-o.came:
		o.attach(l)
	default:
	}
	o.parted = true
	if o.channel != nil {
		close(o.channel)
	}
	over = o.over
	o.sink, o.over = nil, nil // SIP remembers the dialog for half a minute, its call need not stay as long
	return over
}
