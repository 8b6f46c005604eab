// Package location is the location service of RFC 3261 §10: where the users
// that registered here can be reached.
//
// A binding is a Contact together with the address its REGISTER came from.
// Requests go to that address, because behind NAT nothing else reaches the
// phone (RFC 5626 §5 calls it a flow). A phone that names itself by
// +sip.instance has one binding per reg-id, however often its address changes.
//
// # Concurrency
//
// A [Table] may be used from any goroutine; it is empty at first, or has what
// [Options].Saved brings over a restart. Nothing runs in the background:
// an expired binding is invisible at once and removed by the next REGISTER of
// its user, or when room is needed.
//
// # Limits
//
// [Options] name the bindings per user, per source address and in total and the shortest and
// longest expiry; a request has at most [MaxContacts] contacts, a binding at
// most [MaxPath] Path entries. A user over the limit loses the binding that was
// refreshed longest ago, which is counted; a full table refuses.
//
// # Errors
//
// [Table.Apply] returns a [*Refusal] with the status code of the answer.
package location

import (
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// Limits of one REGISTER request.
const (
	MaxContacts = 16
	MaxPath     = 8
)

// Limits of bindings, unless Options have others.
const (
	MaxBindingsPerUser   = 8
	MaxBindings          = 20000 // of all users
	MaxBindingsPerSource = 2048  // of one IP address that is neither a trunk nor trusted
)

// Defaults of Options.
const (
	DefaultMinExpires = 30 * time.Second
	DefaultMaxExpires = time.Hour
	DefaultExpires    = 5 * time.Minute
)

// Options configure a Table. A zero field takes its default.
type Options struct {
	PerUser    int
	Total      int
	PerSource  int           // of one IP address, unless the REGISTER came from a Peer
	MinExpires time.Duration // shorter wishes are refused with 423
	MaxExpires time.Duration // longer wishes are cut
	Expires    time.Duration // when the request has no wish
	Clock      clock.Clock
	// Saved are bindings of an earlier process; what has expired is left out.
	Saved []Binding
	// Changed hears of a user's bindings after each change, none when they are
	// gone. It is called with the table locked, must not block and not keep the
	// list. nil: nobody hears of it.
	Changed func(user string, list []Binding)
}

// Binding is one place where a user can be reached.
type Binding struct {
	User      string
	ID        string // names the binding within its user; stable over refreshes
	Contact   string // URI, the Request-URI for the user
	Source    netip.AddrPort
	Transport string // of the REGISTER: udp, tcp
	Path      []string
	Q         int    // 0..1000, RFC 3261 §20.10 q in thousandths
	Instance  string // +sip.instance, may be empty
	Agent     string // User-Agent, for people
	CallID    string
	CSeq      uint32
	Created   time.Time
	Refreshed time.Time
	Expires   time.Time

	Identity string // what makes it the same binding in a later request
}

// Contact is one Contact header value of a REGISTER.
type Contact struct {
	URI      string
	Q        int           // thousandths; 1000 when absent
	Expires  time.Duration // negative: absent
	Instance string
	RegID    string
}

// Register is a REGISTER request whose sender has been authenticated as User.
type Register struct {
	User      string
	CallID    string
	CSeq      uint32
	Source    netip.AddrPort
	Transport string
	Path      []string
	Agent     string
	Expires   time.Duration // Expires header; negative: absent
	Star      bool          // Contact: *
	Contacts  []Contact     // none: a query
	Peer      bool          // Source is a proxy that we know: many users are behind it
}

// Refusal is a REGISTER that changes nothing.
type Refusal struct {
	Code       int           // SIP status: 400, 423, 500, 503
	Reason     string        // for the answer and the log
	MinExpires time.Duration // with 423
}

func (r *Refusal) Error() string { return fmt.Sprintf("location: %d %s", r.Code, r.Reason) }

// Stats counts what a table did since its start.
type Stats struct {
	Bindings int    // alive or not yet swept
	Added    uint64 // new bindings
	Removed  uint64 // on request
	Expired  uint64 // swept
	Pushed   uint64 // dropped because their user had too many
	Refused  uint64
}

// Table holds the bindings of all users.
type Table struct {
	o Options

	mu     sync.Mutex
	users  map[string][]Binding
	total  int
	at     map[netip.Addr]int // bindings by address
	nextID uint64
	stats  Stats
}

// New returns a table with the saved bindings.
func New(o Options) *Table {
	orInt := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	orInt(&o.PerUser, MaxBindingsPerUser)
	orInt(&o.Total, MaxBindings)
	orInt(&o.PerSource, MaxBindingsPerSource)
	orTime := func(v *time.Duration, def time.Duration) {
		if *v <= 0 {
			*v = def
		}
	}
	orTime(&o.MinExpires, DefaultMinExpires)
	orTime(&o.MaxExpires, DefaultMaxExpires)
	orTime(&o.Expires, DefaultExpires)
	t := &Table{o: o, users: make(map[string][]Binding), at: make(map[netip.Addr]int)}
	t.restore(o.Saved)
	t.o.Saved = nil
	return t
}

// restore puts in what an earlier process knew. Its connections ended with it,
// so a phone that came by TCP has to register again to be reached.
func (t *Table) restore(saved []Binding) {
	now := t.o.Clock.Now()
	for _, b := range saved {
		if n, err := strconv.ParseUint(b.ID, 36, 64); err == nil {
			t.nextID = max(t.nextID, n)
		}
		if b.User == "" || b.Transport != "udp" || !b.Source.IsValid() || !b.Expires.After(now) || b.Expires.After(now.Add(t.o.MaxExpires)) {
			continue
		}
		if len(t.users[b.User]) < t.o.PerUser && t.total < t.o.Total {
			t.users[b.User] = append(t.users[b.User], b)
			t.at[b.Source.Addr()]++
			t.total++
		}
	}
}

// Stats returns the counters.
func (t *Table) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	st := t.stats
	st.Bindings = t.total
	return st
}
