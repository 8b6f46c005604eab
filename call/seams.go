package call

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"github.com/loopstart/loopstart/call/queue"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/media/sound"
	"github.com/loopstart/loopstart/sip"
)

// Dialog is what a leg needs of a SIP dialog; *sip.Dialog is one, tests in
// virtual time have another. Its methods never block on the network.
type Dialog interface {
	ID() string
	Headers() sip.Headers
	Offer() []byte
	Events() <-chan sip.Event
	Provisional(code int, reason string, body []byte, h ...sip.Header) error
	Accept(body []byte, h ...sip.Header) error
	Reject(code int, reason string, h ...sip.Header) error
	Hangup(h ...sip.Header)
	Reoffer(body []byte) error
	Respond(id uint64, code int, body []byte) error
	Info(contentType string, body []byte) error
	Message(contentType string, body []byte) error
	Refer(target string, h ...sip.Header) error
	Consent(id uint64, code int) error
	Progress(id uint64, code int, reason string) error
	Replacement() string
}

// Script is the running VM of a call, seen from the call.
type Script interface {
	// Notify tells the script that something happened, for call.on and facts.
	Notify(name string, data any)
	// Callback runs a function the script passed in the options of a verb.
	Callback(id uint32, args ...any)
	// End aborts call.signal and gives the script its grace.
	End(reason string)
}

// Dialer places outbound legs.
type Dialer interface {
	// Resolve turns a target of a verb into places to ring, in rank order.
	Resolve(DialRequest) ([]Place, error)
	// Dial sends the INVITE; progress comes as events of the dialog.
	Dial(sip.Outgoing) (Dialog, error)
	// Referral is the address to which a party is sent by a transfer: the
	// target as the party can dial it. Trunk is the one that the party talks
	// through, if any, and peer the host of its address.
	Referral(r DialRequest, trunk, peer string) (uri string, err error)
}

// DialRequest is a target as a verb gives it.
type DialRequest struct {
	Target  string        // group, user, number or sip: URI
	From    string        // caller number wanted; "" for the default
	Trunk   string        // trunk wanted; "" for any
	Hide    bool          // the callee does not see the caller number
	Passed  bool          // on behalf of a caller from a trunk: the call is forwarded
	Called  string        // the number that was called, the default for From
	Caller  string        // who called, shown to users who are rung
	Script  string        // who asks
	Version string        // of the script; "" is the active one
	User    string        // the registered user who asks, when no script does
	Headers []sip.Header  // extra headers of the INVITE
	Timeout time.Duration // ring time; 0 for the default
	Machine *Detection    // find who answers before Dial resolves; nil does not
}

// Dial is a request in the name of the call: its caller number is that which
// was called, and its callees see who called.
func (s Spec) Dial(target string) DialRequest {
	return DialRequest{Target: target, Called: s.To.Number(), Caller: s.From.Number(), Script: s.Script, Version: s.Version}
}

// Place is one thing that can ring: a registered phone, or a number with the
// trunks that may be tried for it, one after another.
type Place struct {
	Name   string        // as the script named it: "101", "+7916…"
	Rank   int           // lower ranks ring first when the order is serial
	Delay  time.Duration // before it rings
	Each   time.Duration // ring time of this place; 0 for the verb's
	Routes []Route
	// Together are further phones of the same user, which ring at the same time
	// when the place is the first leg of a call; other verbs have places of their
	// own for them.
	Together []Place
}

// Route is one way to a place.
type Route struct {
	Trunk    string
	Peer     netip.Addr // where its signalling goes; invalid: not known
	From     string     // as presented
	Outgoing sip.Outgoing
	Media    media.SessionOptions
	Early    EarlyMedia // what comes before the callee's answer
	// NoteTones only notes a busy or reorder tone before the answer; else it ends
	// the dial.
	NoteTones bool
	// Dial reaches the place in another way than by Outgoing; nil for all but
	// what is in this process.
	Dial func(sip.Outgoing) (Dialog, error)
	// Seize takes a line of the trunk before the INVITE, which leaves after wait;
	// free gives it back when the dialog is over. nil: lines are not counted.
	Seize func() (free func(), wait time.Duration, err error)
	// Follow is the routes to a Contact of a 3xx; its error says why that is not
	// dialled. It must not block. nil: no 3xx is followed.
	Follow func(sip.Address) ([]Route, error)
	detour bool // it came from Follow
	// Tell hears what the dial shows of its trunk, on the call's goroutine; it
	// must not block. nil: nobody counts.
	Tell func(RouteNews)
}

// EarlyMedia says what becomes of the audio that a callee's side sends before
// the answer (RFC 3960).
type EarlyMedia uint8

// The ways with early media.
const (
	EarlyPass     EarlyMedia = iota // the caller hears it
	EarlyRingback                   // the caller hears a ring tone of ours instead
	EarlyIgnore                     // the caller hears nothing; ringing is still passed on
)

// Prompts turns parts into audio. Ready answers at once from memory; Load may
// read files, fetch URLs and synthesise.
type Prompts interface {
	Ready(PromptRequest) ([]*sound.Prompt, bool)
	Load(context.Context, PromptRequest) ([]*sound.Prompt, error)
}

// PromptRequest is a list of parts and whose they are.
type PromptRequest struct {
	Parts    []Part
	Language string
	Voice    string
	Script   string // whose folder file names are relative to
	Version  string
}

// Recorded is a recording that is over.
type Recorded struct {
	ID       string
	Format   string // wav, ogg, mp3; "" is the configuration's
	Duration time.Duration
}

// Recordings creates and stores recording files.
type Recordings interface {
	// Create opens a new file for the recording of that id, which becomes the
	// format ("": the configuration's) also when the process is killed meanwhile.
	Create(id, format string) (*os.File, error)
	// Done takes back a file that is complete, or that err says could not be
	// written. It is on disk and closed, and whoever wants to know is told, before
	// Done returns, which may take as long as the disk does.
	Done(f *os.File, done Recorded, err error)
	// Format reports why recordings cannot be had in a format; "" is the
	// configuration's.
	Format(format string) error
}

// Observer learns of a call's life. Its methods are called on the call's
// goroutine and must not block.
type Observer interface {
	Ringing(*Call)
	Answered(*Call)
	Result(*Call, json.RawMessage)
	// Said: another outcome or tag was set, or the first key was pressed: what
	// SoFar tells has changed.
	Said(*Call)
	// DeadAir: an answered call in which nobody has heard anything for so long.
	DeadAir(*Call, time.Duration)
	Ended(*Call, Record)
}

// Queues are the lines in front of groups. Its methods are called on the call's
// goroutine and must not block.
type Queues interface {
	// Enter puts a call in line; see queue.Board. NOT_FOUND for a group that
	// does not exist.
	Enter(queue.Request, queue.Waiter) (place *queue.Place, status string, err error)
	// Phones are the places where an agent is rung.
	Phones(agent string, r DialRequest) ([]Place, error)
	// Freed tells that a leg of a call has ended.
	Freed()
}

// Deps are what every call of an engine shares.
type Deps struct {
	Clock clock.Clock
	Log   *slog.Logger
	Open  func(media.SessionOptions) (*media.Session, error)
	// Anew is the way to a peer as the network is right now, asked when a media
	// session could not be bound; nil: there is no other.
	Anew       Way
	Dialer     Dialer
	Prompts    Prompts
	Recordings Recordings
	Streams    Streams
	Rooms      *Rooms // conferences; may be nil
	NewMixer   func(media.MixerOptions) (*media.Mixer, error)
	Transfers  Transfers // nil: no party may transfer its talk
	Recognizer Recognizer
	Observer   Observer
	Counters   *Counters
	// Talked is told of a talk that connect has made, when it is over; may be
	// nil. Groups ring the longest idle member by it.
	Talked    func(member string)
	Queues    Queues                              // nil has none
	Apology   func(language string) *sound.Prompt // spoken when nothing else can be
	MaxRecord time.Duration                       // longest recording; 0 is DefaultMaxRecord
	DeadAir   time.Duration                       // after which Observer.DeadAir is told; 0 is never
	// Veil hides the secrets of the configuration in a line of the timeline;
	// nil hides nothing.
	Veil func(detail string) string
}

// Party is an address as scripts see it.
type Party struct {
	URI  string `json:"uri"`
	User string `json:"user"`
	Host string `json:"host"`
	Name string `json:"name,omitempty"`
	E164 string `json:"e164,omitempty"`
}

// Number is the E.164 number, else the user part.
func (p Party) Number() string {
	if p.E164 != "" {
		return p.E164
	}
	return p.User
}

// Attempt says which of how many attempts of an order a call is.
type Attempt struct {
	N     int    `json:"n"`
	Of    int    `json:"of"`
	Order string `json:"order"`
}

// Spec is what is known of a call when it begins.
type Spec struct {
	ID, Order, Key  string
	Campaign        string // whose contact is called
	Script, Version string
	Outbound        bool
	From, To        Party
	Trunk           string
	User            string // the registered user who calls
	Headers         [][2]string
	Data            json.RawMessage
	Language, Voice string
	Record          bool // record from the answer to the end
	Stereo          bool
	Fallback        []Action
	After           DeliveredAfter
	Attempt         Attempt
	MaxDuration     time.Duration
	RingTimeout     time.Duration
	Session         media.SessionOptions // of the first leg, Sink excepted
	Peer            netip.Addr           // where the caller's signalling comes from; invalid: not known
}

// Remote is the other party in both directions.
func (s *Spec) Remote() Party {
	if s.Outbound {
		return s.To
	}
	return s.From
}
