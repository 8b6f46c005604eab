package engine

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/store"
)

// Stopped is a number that ordered calls and campaigns do not dial.
type Stopped struct {
	Phone   string    `json:"phone"` // E.164
	Reason  string    `json:"reason,omitempty"`
	Added   time.Time `json:"added_at"`
	Expires time.Time `json:"expires,omitzero"` // zero: for good
}

// maxStopReason is the longest reason of an entry, in bytes.
const maxStopReason = 500

// stopList is the numbers nobody is to be called on, in the store. It holds for
// what is dialled on our own account, orders and campaigns, at the instant of
// dialling; a person who is connected to a number decides that in a call.
type stopList struct{ e *Engine }

func (s stopList) space() *store.Space { return s.e.store.Space("stoplist") }

func (s stopList) number(text string) (string, error) {
	n := phone.Normalize(strings.TrimSpace(text), s.e.Config().Project.Country)
	if !strings.HasPrefix(n, "+") || !phone.Dialable(n[1:]) {
		return "", fault.New(fault.Invalid, "stop-list: %q is no phone number", text).WithHint("write it as +79161234567")
	}
	return n, nil
}

// Get is the entry of a number; one that has expired is none.
func (s stopList) Get(number string) (st Stopped, ok bool, err error) {
	if number, err = s.number(number); err != nil {
		return st, false, err
	}
	raw, ok, err := s.space().Get(number)
	if err != nil || !ok {
		return st, false, err
	}
	if err := json.Unmarshal(raw, &st); err != nil {
		return st, false, fault.New(fault.Internal, "stop-list: %w", err)
	}
	return st, st.Expires.IsZero() || s.e.clk.Now().Before(st.Expires), nil
}

// Has tells whether a number must not be dialled. What is no number, such as a
// user's name, is not stopped.
func (s stopList) Has(number string) (bool, error) {
	if n := phone.Normalize(number, s.e.Config().Project.Country); !strings.HasPrefix(n, "+") {
		return false, nil
	}
	_, ok, err := s.Get(number)
	return ok, err
}

// Add puts a number on the list and returns when that is on disk.
func (s stopList) Add(number, reason string, expires time.Time) (Stopped, error) {
	number, err := s.number(number)
	if err != nil {
		return Stopped{}, err
	}
	if len(reason) > maxStopReason {
		return Stopped{}, fault.New(fault.Invalid, "stop-list: a reason has at most %d bytes", maxStopReason)
	}
	st := Stopped{Phone: number, Reason: reason, Added: s.e.clk.Now(), Expires: expires}
	raw, err := json.Marshal(st)
	if err != nil {
		return st, fault.New(fault.Invalid, "stop-list: %w", err)
	}
	return st, s.space().Apply(store.Op{Key: number, Value: raw})
}

// Delete takes a number off and tells whether it was there.
func (s stopList) Delete(number string) (bool, error) {
	number, err := s.number(number)
	if err != nil {
		return false, err
	}
	if _, was, err := s.space().Get(number); err != nil || !was {
		return false, err
	}
	return true, s.space().Apply(store.Op{Key: number})
}

// List is a page of the list in the order of the numbers.
func (s stopList) List(limit int, after string) (list []Stopped, next string, err error) {
	entries, err := s.space().Scan("", after, limit)
	list = []Stopped{}
	for _, it := range entries {
		var st Stopped
		if json.Unmarshal(it.Value, &st) == nil {
			list = append(list, st)
		}
	}
	if len(entries) == limit {
		next = entries[len(entries)-1].Key
	}
	return list, next, err
}

// expiry reads how long an entry stays: a time, or a duration from now.
func (s stopList) expiry(text string) (time.Time, error) {
	return instant("expires", text, s.e.clk.Now())
}

// StopList implements api.StopList.
func (a *surface) StopList(limit int, after string) (any, string, error) {
	return stopList{a.e()}.List(limit, after)
}

// Stopped implements api.StopList.
func (a *surface) Stopped(number string) (any, error) {
	st, ok, err := stopList{a.e()}.Get(number)
	if err == nil && !ok {
		err = fault.New(fault.NotFound, "%s is not on the stop-list", number)
	}
	return st, err
}

// Stop implements api.StopList.
func (a *surface) Stop(number, reason, expires string) (any, error) {
	s := stopList{a.e()}
	until, err := s.expiry(expires)
	if err != nil {
		return nil, err
	}
	return s.Add(number, reason, until)
}

// OnStopList implements the script module's StopList.
func (a *surface) OnStopList(number string) (bool, error) {
	_, ok, err := stopList{a.e()}.Get(number)
	return ok, err
}

// Unstop implements api.StopList.
func (a *surface) Unstop(number string) (bool, error) { return stopList{a.e()}.Delete(number) }
