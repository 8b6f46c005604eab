package campaign

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/loopstart/loopstart/internal/duration"
	"github.com/loopstart/loopstart/internal/fault"
)

// Limits of one campaign.
const (
	MaxAttempts  = 100  // dials of one contact
	MaxPhones    = 10   // of one contact
	MaxPriority  = 100  // priorities go from -100 to 100, 0 is the default
	MaxFrequency = 8    // frequency rules
	MaxCallsCap  = 5000 // attempts at once
	MaxCPSCap    = 1000 // new attempts a second
	MaxHolidays  = 1000
	MaxData      = 64 << 10 // bytes of a contact's data
	MaxKeyText   = 256      // bytes of a contact's key
	MaxQueues    = 4096     // zones with their priorities
)

// defaultMaxCalls bounds a campaign that names no max_calls.
const defaultMaxCalls = 10

// Span is a duration that JSON shows as text ("5m") and reads as text or
// milliseconds.
type Span time.Duration

// MarshalJSON writes "5m".
func (s Span) MarshalJSON() ([]byte, error) { return json.Marshal(duration.Format(time.Duration(s))) }

// UnmarshalJSON reads "5m" or 300000.
func (s *Span) UnmarshalJSON(raw []byte) error {
	text, err := textOrNumber(raw)
	if err != nil {
		return fault.New(fault.Invalid, "%s is no duration", raw)
	}
	d, err := duration.Parse(text)
	if err != nil {
		return fault.New(fault.Invalid, "%q is no duration", text).WithHint(`write "30s", "15m" or milliseconds`)
	}
	*s = Span(d)
	return nil
}

// Rate is a frequency cap: at most Calls dials of one number within Per,
// whichever campaigns and orders they come from.
type Rate struct {
	Calls int  `json:"calls"`
	Per   Span `json:"per"`
}

// Band is a range of a rate that a campaign has to stay in.
type Band struct {
	Min float64 `json:"min,omitempty"` // 0–1
	Max float64 `json:"max,omitempty"` // 0–1; 0 is no upper bound
}

// StopWhen pauses a campaign by itself: when the answer rate (answered of all
// attempts) or the key rate (a key pressed, of the answered) leaves its band,
// counted since the last start or resume.
type StopWhen struct {
	After      int   `json:"after,omitempty"` // attempts (of the key rate: answered ones) before it counts; 0 is 20
	AnswerRate *Band `json:"answer_rate,omitempty"`
	KeyRate    *Band `json:"key_rate,omitempty"`
}

// Deduplication of contacts within a campaign.
const (
	DedupePhone = "phone" // no number twice (E.164), nor a key; the default
	DedupeKey   = "key"   // no key twice; a number may stand in several contacts
)

// Spec is what a campaign is asked to do. Its JSON is the body of
// POST /v1/campaigns.
type Spec struct {
	Name           string          `json:"name,omitempty"`
	Script         string          `json:"script"`
	Trunk          string          `json:"trunk,omitempty"`
	From           string          `json:"from,omitempty"`
	Hide           bool            `json:"hide,omitempty"`     // the callee sees no number
	Attempts       int             `json:"attempts,omitempty"` // of one contact, over all outcomes, numbers and restarts; 0 is 1
	Retry          Retry           `json:"retry,omitempty"`
	Window         Hours           `json:"window,omitzero"`
	Quiet          Hours           `json:"quiet,omitzero"` // hours in which nobody is called
	Holidays       []string        `json:"holidays,omitempty"`
	Zone           string          `json:"zone,omitempty"`      // of the window; "callee" or "": the number tells
	MaxCalls       int             `json:"max_calls,omitempty"` // attempts at once; 0 is 10
	MaxCPS         float64         `json:"max_cps,omitempty"`   // new attempts a second; 0 is no limit of its own
	Priority       int             `json:"priority,omitempty"`  // of contacts that have none
	Dedupe         string          `json:"dedupe,omitempty"`
	DailyCap       int             `json:"daily_cap,omitempty"` // attempts of one contact a day of its zone; 0 is no cap
	Frequency      []Rate          `json:"frequency,omitempty"`
	Timeout        Span            `json:"timeout,omitempty"` // of the ringing; 0 is the config's
	DeliveredAfter string          `json:"delivered_after,omitempty"`
	Expires        time.Time       `json:"expires,omitzero"`      // nobody is called from then on
	PauseAfter     int             `json:"pause_after,omitempty"` // contacts dialled after which it pauses: a rehearsal
	StopWhen       *StopWhen       `json:"stop_when,omitempty"`
	Callback       json.RawMessage `json:"callback,omitempty"` // not read here
}

// Check fills in defaults and refuses what cannot be. It does not know scripts
// and trunks: the engine checks those.
func (s *Spec) Check() error {
	if s.Attempts == 0 {
		s.Attempts = 1
	}
	if s.MaxCalls == 0 {
		s.MaxCalls = defaultMaxCalls
	}
	if s.Dedupe == "" {
		s.Dedupe = DedupePhone
	}
	if s.Script == "" {
		return fault.New(fault.Invalid, "a campaign needs a script")
	}
	for _, c := range []struct {
		name    string
		v       int
		min, to int
	}{
		{"attempts", s.Attempts, 1, MaxAttempts}, {"max_calls", s.MaxCalls, 1, MaxCallsCap},
		{"priority", s.Priority, -MaxPriority, MaxPriority}, {"daily_cap", s.DailyCap, 0, MaxAttempts},
		{"pause_after", s.PauseAfter, 0, 1 << 30}, {"holidays", len(s.Holidays), 0, MaxHolidays},
		{"frequency", len(s.Frequency), 0, MaxFrequency},
	} {
		if c.v < c.min || c.v > c.to {
			return fault.New(fault.Invalid, "%s: %d is not %d to %d", c.name, c.v, c.min, c.to)
		}
	}
	if s.MaxCPS < 0 || s.MaxCPS > MaxCPSCap {
		return fault.New(fault.Invalid, "max_cps: %g is not 0 to %d", s.MaxCPS, MaxCPSCap)
	}
	if !slices.Contains([]string{DedupePhone, DedupeKey}, s.Dedupe) {
		return fault.New(fault.Invalid, "dedupe: %q is not phone or key", s.Dedupe)
	}
	if err := CheckRates(s.Frequency); err != nil {
		return err
	}
	if err := s.StopWhen.check(); err != nil {
		return err
	}
	if err := CheckZone(s.Zone); err != nil {
		return err
	}
	_, err := NewWindow(s.Window, s.Quiet, s.Holidays)
	return err
}

// CheckRates refuses frequency caps that cannot be kept: the dials of a number
// are remembered up to MaxDials and DialMemory.
func CheckRates(rates []Rate) error {
	for _, r := range rates {
		if r.Calls < 1 || r.Calls > MaxDials || r.Per <= 0 || time.Duration(r.Per) > DialMemory {
			return fault.New(fault.Invalid, "frequency: %d calls per %s cannot be kept", r.Calls, duration.Format(time.Duration(r.Per))).
				WithHint("write {calls: 1 to %d, per: up to %s}", MaxDials, duration.Format(DialMemory))
		}
	}
	return nil
}

func (s *StopWhen) check() error {
	if s == nil {
		return nil
	}
	if s.After < 0 {
		return fault.New(fault.Invalid, "stop_when.after: %d is negative", s.After)
	}
	for name, b := range map[string]*Band{"answer_rate": s.AnswerRate, "key_rate": s.KeyRate} {
		if b != nil && (b.Min < 0 || b.Min > 1 || b.Max < 0 || b.Max > 1 || b.Max > 0 && b.Max < b.Min) {
			return fault.New(fault.Invalid, "stop_when.%s: %g to %g is no range within 0 to 1", name, b.Min, b.Max)
		}
	}
	return nil
}

// Patch changes a campaign while it runs; nil fields stay as they are. Its
// JSON is the body of PATCH /v1/campaigns/{id}.
type Patch struct {
	Attempts   *int       `json:"attempts,omitempty"`
	Retry      Retry      `json:"retry,omitempty"`
	Window     *Hours     `json:"window,omitempty"`
	Quiet      *Hours     `json:"quiet,omitempty"`
	Holidays   *[]string  `json:"holidays,omitempty"`
	Zone       *string    `json:"zone,omitempty"` // of contacts added from then on
	MaxCalls   *int       `json:"max_calls,omitempty"`
	MaxCPS     *float64   `json:"max_cps,omitempty"`
	DailyCap   *int       `json:"daily_cap,omitempty"`
	Frequency  *[]Rate    `json:"frequency,omitempty"`
	Expires    *time.Time `json:"expires,omitempty"`
	PauseAfter *int       `json:"pause_after,omitempty"`
	StopWhen   *StopWhen  `json:"stop_when,omitempty"`
	Trunk      *string    `json:"trunk,omitempty"`
	From       *string    `json:"from,omitempty"`
	Hide       *bool      `json:"hide,omitempty"`
	Name       *string    `json:"name,omitempty"`
}

// On is the spec with the patch, checked.
func (p Patch) On(s Spec) (Spec, error) {
	set(&s.Attempts, p.Attempts)
	set(&s.Window, p.Window)
	set(&s.Quiet, p.Quiet)
	set(&s.Holidays, p.Holidays)
	set(&s.Zone, p.Zone)
	set(&s.MaxCalls, p.MaxCalls)
	set(&s.MaxCPS, p.MaxCPS)
	set(&s.DailyCap, p.DailyCap)
	set(&s.Frequency, p.Frequency)
	set(&s.Expires, p.Expires)
	set(&s.PauseAfter, p.PauseAfter)
	set(&s.Trunk, p.Trunk)
	set(&s.From, p.From)
	set(&s.Hide, p.Hide)
	set(&s.Name, p.Name)
	if p.Retry != nil {
		s.Retry = p.Retry
	}
	if p.StopWhen != nil {
		s.StopWhen = p.StopWhen
	}
	return s, s.Check()
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}
