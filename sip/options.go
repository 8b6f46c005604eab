package sip

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/sip/resolve"
)

// Limits of an endpoint.
const (
	MaxDialogs              = 10000           // dialogs at one time, both directions
	MaxMessage              = 64 << 10        // bytes of one SIP message
	MaxHeaders              = 128             // header fields of one message
	MaxHeaderLine           = 8 << 10         // bytes of one header field, unfolded
	MaxConnections          = 4096            // TCP connections, both directions
	MaxConnectionsPerSource = 64              // TCP connections accepted from one unknown IP address
	MaxConnectionsPerPeer   = 512             // TCP connections accepted from one trusted or trunk address
	MaxForks                = 16              // early dialogs of one outgoing INVITE
	EventCapacity           = 256             // events a dialog keeps for its call
	MailboxCapacity         = 256             // inputs a dialog keeps for its goroutine
	MaxBody                 = 60 << 10        // bytes of a body we send
	DefaultRingTimeout      = 3 * time.Minute // of an Outgoing that names none
)

// Config is what an endpoint serves. Update replaces all but the listeners.
type Config struct {
	Listen    []Listener
	Advertise []Advertised   // public addresses behind NAT; of a peer's family none: the interface's
	Local     []netip.Prefix // networks whose peers reach our own address; see [Endpoint.AdvertisedFor]
	LocalOnly bool           // Local says all: no other private network is one of ours
	Trust     []netip.Prefix // sources that need no credentials
	Users     []User
	Trunks    []Trunk
	Agent     string        // User-Agent and Server header; "" sends "loopstart"
	Realm     string        // digest realm; "" means "loopstart"
	KeepAlive time.Duration // between two double CRLFs to phones behind a NAT; 0: none
	TLS       TLSFiles
	Origins   []string      // pages of other hosts that may open a WebSocket: host patterns
	Register  bool          // false: we neither register nor ping anywhere
	NoTrace   bool          // dialogs keep no wire messages
	Ban       time.Duration // of a source that fails again and again; 0: DefaultBanTime, negative: none is banned
}

// Listener is one socket to listen on.
type Listener struct {
	Transport string // "udp", "tcp", "tls", "ws" or "wss"
	Addr      netip.AddrPort
	Advertise Advertised // of its own, before Config.Advertise
}

// User is an account that may register here and call.
type User struct {
	Name     string
	Password string
	Display  string
	MaxCalls int // 0: no limit
}

// Trunk is a provider's SIP service.
type Trunk struct {
	Name      string
	Address   string         // Request-URI and domain: host[:port][;transport=tcp]
	Proxy     string         // where packets go, if elsewhere
	Domain    string         // of From and To, if it is not Address
	Username  string         // From, Contact, REGISTER
	AuthUser  string         // digest user; "" means Username
	Password  string         // digest password
	Realm     string         // answer only this digest realm; "" any of its own address
	Register  bool           // we register there
	Expires   time.Duration  // wish for REGISTER; 0: default
	Allow     []netip.Prefix // sources accepted as this trunk; empty: what Address and Proxy resolve to
	Options   time.Duration  // health by OPTIONS; 0: off
	KeepAlive time.Duration  // between two double CRLFs; 0: none
	Transport string         // "udp", "tcp" or "" for the address's own
	From      []string       // caller numbers this trunk may present
	Session   SessionTimer
	Present   string // header of the caller number: from, pai, ppi, rpid
	Forwarded string // headers of a forwarded call: off, diversion, history-info, both
}

// SessionTimer is how calls of a trunk take part in session timers (RFC 4028).
// The zero value agrees to what the peer asks for.
type SessionTimer struct {
	Off      bool          // never a timer
	Interval time.Duration // asked for by us, 90 s at least; 0: only the peer asks
}

// Deps is what an endpoint needs from its surroundings.
type Deps struct {
	Clock    clock.Clock         // nil: the system's
	Log      *slog.Logger        // nil: no log
	Incoming func(*Dialog)       // a new call; on its own goroutine, must return soon
	Register func(RegisterEvent) // registrations in and out; may be nil
	// Message takes a MESSAGE outside of calls and says with which status it is
	// answered; nil answers 404. It is called on its own goroutine and must
	// return within a second, before the sender repeats.
	Message func(Page) int
	Moved   func(Move) // addresses of ours changed; must return soon; may be nil
	Banned  func(Ban)  // a source was banned; on its own goroutine; may be nil
	// Saved are the users' bindings of an earlier process, and Bound hears of
	// each change of a user's bindings (see location.Options); both may be nil.
	Saved []Binding
	Bound func(user string, list []Binding)
	// SavedBans are the bans of an earlier process, and KeepBan hears, in order,
	// of each ban of a proven address that begins or ends; it returns soon. A
	// nil KeepBan keeps none.
	SavedBans []Ban
	KeepBan   func(b Ban, holds bool)
	// Lookup asks DNS where calls go; nil: the servers of this machine.
	Lookup resolve.Lookup
}

// RegisterEvent tells that a registration changed. Exactly one of User and
// Trunk is set.
type RegisterEvent struct {
	User    string // a user registered here
	Trunk   string // we registered there
	State   string // "registered", "unregistered", "refused", "failed"
	Contact string
	Source  netip.AddrPort
	Code    int // of the peer's answer, for trunks
	Reason  string
	Expires time.Duration
}

// Target is whom to call. Exactly one of URI, Trunk with Number, and User is
// set.
type Target struct {
	URI     string // "sip:name@host:port;transport=tcp"
	Trunk   string
	Number  string // as it goes into the Request-URI
	Host    string // with Trunk: "host:port" that a 3xx of it named in place of its address
	User    string
	Binding string // one binding of User, by Binding.ID; "" is the newest

	Next          netip.AddrPort // overrides where the packets go
	NextTransport string         // with Next: "udp" or "tcp"; "" is udp
}

// DefaultMaxForwards is Max-Forwards of a call that begins here.
const DefaultMaxForwards = 70

// Outgoing is a call to place.
type Outgoing struct {
	Target  Target
	From    Address  // what we present; an empty host is filled in
	Hide    bool     // a trunk shows the callee no number (RFC 3323, RFC 3325)
	Passed  string   // the number that was called first, of a call that is forwarded to a trunk
	Body    []byte   // SDP offer; empty: the callee offers and Accept answers
	Headers []Header // extra headers of the INVITE
	// MaxForwards is how many more systems may pass the call on (RFC 3261 §8.1.1.6),
	// for one that we pass on ourselves; 0 means DefaultMaxForwards, below 0 none.
	MaxForwards int
	Timeout     time.Duration // ring time until CANCEL; 0 means DefaultRingTimeout
	// Silence is how long nothing at all may come back, not even a 100, before
	// the call is given up with 408; 0 means Timer B (RFC 3261 §17.1.1.2).
	Silence time.Duration
}
