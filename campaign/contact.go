package campaign

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
)

// ContactState is where a contact stands.
type ContactState string

// The states of a contact.
const (
	Waiting ContactState = "waiting" // for its first or next attempt
	Dialing ContactState = "dialing" // an intent is on disk and no result
	Done    ContactState = "done"    // Outcome is final
)

// Contact is one person of a campaign: the numbers in the order in which they
// are dialled, and what has been tried.
type Contact struct {
	Seq      uint64          `json:"seq"` // place in the campaign, from 1
	Key      string          `json:"key"` // names it in the campaign; default: its first number
	Phones   []string        `json:"phones"`
	Zone     string          `json:"zone,omitempty"` // whose clock counts
	Priority int             `json:"priority,omitempty"`
	At       time.Time       `json:"at,omitzero"`      // not earlier
	Expires  time.Time       `json:"expires,omitzero"` // not from then on
	Data     json.RawMessage `json:"data,omitempty"`

	State    ContactState    `json:"state"`
	Next     time.Time       `json:"next,omitzero"`    // earliest instant of the next attempt, before the window
	Reason   string          `json:"reason,omitempty"` // why it was closed or has to wait
	Outcome  Outcome         `json:"outcome,omitempty"`
	Attempts []Made          `json:"attempts,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"` // business result of the last attempt that had one
	Turn     int             `json:"turn,omitempty"`   // index of the number to dial next
	Bad      []int           `json:"bad,omitempty"`    // indexes of numbers that do not exist
	Closed   time.Time       `json:"closed,omitzero"`
}

// Made is one attempt of a contact; without an Outcome it is an intent.
type Made struct {
	ID       string    `json:"id"`
	At       time.Time `json:"at"`
	Phone    string    `json:"phone"`
	Outcome  Outcome   `json:"outcome,omitempty"`
	Code     int       `json:"code,omitempty"`
	Answered bool      `json:"answered,omitempty"`
	Keyed    bool      `json:"keyed,omitempty"` // a key was pressed
	TalkMs   int64     `json:"talk_ms,omitempty"`
	HeardMs  int64     `json:"heard_ms,omitempty"`
	Percent  int       `json:"percent,omitempty"` // of the prompts heard
}

// Phone is the first number.
func (c *Contact) Phone() string {
	if len(c.Phones) == 0 {
		return ""
	}
	return c.Phones[0]
}

// Last is the last attempt, nil when there was none.
func (c *Contact) Last() *Made {
	if len(c.Attempts) == 0 {
		return nil
	}
	return &c.Attempts[len(c.Attempts)-1]
}

// Open reports whether the contact may still be dialled.
func (c *Contact) Open() bool { return c.State != Done }

// clone is a copy whose lists may be changed.
func (c *Contact) clone() *Contact {
	n := *c
	n.Attempts, n.Bad = slices.Clone(c.Attempts), slices.Clone(c.Bad)
	return &n
}

// OrderID is the order that a contact's attempts belong to; attempt n of it is
// "order.n".
func OrderID(campaign string, seq uint64) string { return campaign + "-" + strconv.FormatUint(seq, 10) }

// AttemptID is the id of attempt n, from 1.
func AttemptID(campaign string, seq uint64, n int) string {
	return OrderID(campaign, seq) + "." + strconv.Itoa(n)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
