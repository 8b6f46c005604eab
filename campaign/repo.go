package campaign

import (
	"maps"
	"slices"
	"time"
)

// MaxDials is how many dials of one number are remembered, DialMemory for how
// long.
const (
	MaxDials   = 32
	DialMemory = 31 * 24 * time.Hour
)

// State is where a campaign stands.
type State string

// The states of a campaign. Completed turns into running again when contacts
// are added; cancelled is final.
const (
	Draft     State = "draft"
	Running   State = "running"
	Paused    State = "paused"
	Completed State = "completed"
	Cancelled State = "cancelled"
)

// Counts are the live counters of a campaign.
type Counts struct {
	Contacts int64             `json:"contacts"`
	Waiting  int64             `json:"waiting"`
	Dialing  int64             `json:"dialing"`
	Done     int64             `json:"done"`
	Dialled  int64             `json:"dialled"` // contacts with at least one attempt
	Attempts int64             `json:"attempts"`
	Answered int64             `json:"answered"` // attempts
	Keyed    int64             `json:"keyed"`    // answered attempts in which a key was pressed
	TalkMs   int64             `json:"talk_ms"`
	Outcomes map[Outcome]int64 `json:"outcomes,omitempty"` // of the contacts that are done
}

// Row is a campaign as it is stored, shown and listed.
type Row struct {
	ID      string    `json:"id"`
	Spec    Spec      `json:"spec"`
	State   State     `json:"state"`
	Reason  string    `json:"reason,omitempty"` // why it was paused by itself
	Created time.Time `json:"created"`
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	Seq     uint64    `json:"seq"` // of the last contact
	Counts  Counts    `json:"counts"`
	Since   Counts    `json:"since"` // counts at the last start or resume, for pause_after and stop_when

	closed time.Time // of the contact closed last
}

// Queue is the contacts of one zone and priority that wait; those with an
// appointed time (at, a retry, a delay) apart from those that are called
// whenever there is room.
type Queue struct {
	Zone     string
	Priority int
	Timed    bool
}

// QueueOf is the queue that a contact waits in.
func QueueOf(k *Contact) Queue {
	return Queue{Zone: k.Zone, Priority: k.Priority, Timed: !k.At.IsZero() || len(k.Attempts) > 0 || k.Reason != ""}
}

// Due is one entry of a queue.
type Due struct {
	Next time.Time
	Seq  uint64
}

// Before orders the entries of a queue.
func (d Due) Before(o Due) bool {
	if !d.Next.Equal(o.Next) {
		return d.Next.Before(o.Next)
	}
	return d.Seq < o.Seq
}

// Dial is one attempt on a number, of whatever campaign or order.
type Dial struct {
	At time.Time `json:"at"`
	By string    `json:"by"` // attempt id
}

// Change is a contact before and after: Old is nil for a new one, New nil for
// one that is removed. Dial, when set, is kept with its number.
type Change struct {
	Old, New *Contact
	Dial     *Dial
	Phone    string // of Dial
}

// Repo keeps campaigns. Commit is atomic per change and durable when it
// returns; everything is ordered by the campaign's owner, so it need not
// detect conflicts.
type Repo interface {
	// PutRow stores a campaign without its contacts.
	PutRow(Row) error
	// Row reads a campaign.
	Row(id string) (Row, bool, error)
	// Rows lists campaigns whose id is larger than after.
	Rows(after string, limit int) ([]Row, error)
	// Drop removes a campaign with its contacts.
	Drop(id string) error

	// Commit writes the changes in order and the row with its Counts brought up
	// to date by Row.Tally, both in one transaction for each change. It returns
	// the row as stored and how many changes are durable, all of them unless
	// there is an error.
	Commit(row Row, changes []Change) (Row, int, error)

	// Contact reads a contact.
	Contact(campaign string, seq uint64) (*Contact, bool, error)
	// SeqOfKey and SeqOfPhone find a contact; with dedupe "key" a number that
	// stands in several contacts finds the last one added.
	SeqOfKey(campaign, key string) (seq uint64, ok bool, err error)
	SeqOfPhone(campaign, phone string) (seq uint64, ok bool, err error)
	// Contacts lists contacts by Seq, those larger than after.
	Contacts(campaign string, after uint64, limit int) ([]*Contact, error)
	// CampaignsOf lists the campaigns that hold a number.
	CampaignsOf(phone string) ([]string, error)

	// Queues lists the queues that hold contacts.
	Queues(campaign string) ([]Queue, error)
	// Due lists the entries of a queue after one of them, in order.
	Due(campaign string, q Queue, after Due, limit int) ([]Due, error)
	// Intents lists the contacts in state Dialing with a Seq larger than after.
	Intents(campaign string, after uint64, limit int) ([]uint64, error)

	// Dials are the remembered dials of a number, oldest first.
	Dials(phone string) ([]Dial, error)
	// NoteDial keeps a dial of something that is no campaign.
	NoteDial(phone string, d Dial) error
	// ForgetDials removes them.
	ForgetDials(phone string) error
}

// Remember is the dials of a number with one more, without those that no cap
// can ask for.
func Remember(dials []Dial, d Dial) []Dial {
	out := make([]Dial, 0, len(dials)+1)
	for _, o := range dials {
		if o.At.Add(DialMemory).After(d.At) {
			out = append(out, o)
		}
	}
	out = append(out, d)
	slices.SortStableFunc(out, func(a, b Dial) int { return a.At.Compare(b.At) })
	return out[max(len(out)-MaxDials, 0):]
}

// Tally is the row with its counts after the changes. A running campaign whose
// last contact is done is completed by that; a completed one to which contacts
// are added runs again.
func (r Row) Tally(changes ...Change) Row {
	c := &r.Counts
	c.Outcomes = maps.Clone(c.Outcomes)
	if c.Outcomes == nil {
		c.Outcomes = map[Outcome]int64{}
	}
	for _, ch := range changes {
		c.count(ch.Old, -1)
		c.count(ch.New, 1)
		if ch.New != nil {
			r.Seq = max(r.Seq, ch.New.Seq)
			r.closed = later(r.closed, ch.New.Closed)
		}
	}
	switch over := c.Contacts > 0 && c.Done == c.Contacts; {
	case over && r.State == Running:
		r.State, r.Ended = Completed, r.closed
	case !over && r.State == Completed:
		r.State, r.Ended = Running, time.Time{}
	}
	return r
}

func (c *Counts) count(k *Contact, by int64) {
	if k == nil {
		return
	}
	c.Contacts += by
	switch k.State {
	case Waiting:
		c.Waiting += by
	case Dialing:
		c.Dialing += by
	case Done:
		c.Done += by
		if c.Outcomes[k.Outcome] += by; c.Outcomes[k.Outcome] == 0 {
			delete(c.Outcomes, k.Outcome)
		}
	}
	if len(k.Attempts) > 0 {
		c.Dialled += by
	}
	c.Attempts += by * int64(len(k.Attempts))
	for _, a := range k.Attempts {
		if a.Answered {
			c.Answered += by
		}
		if a.Keyed {
			c.Keyed += by
		}
		c.TalkMs += by * a.TalkMs
	}
}
