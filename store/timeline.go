package store

import (
	"encoding/json"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// PutTimeline stores the timeline of the call id as JSON; at is when the call
// began, from which keep.timelines counts.
func (s *Store) PutTimeline(id string, at time.Time, events json.RawMessage) error {
	if err := checkTimeline(id, at, events); err != nil {
		return err
	}
	return s.update(func(t *tx) error { return writeTimeline(t, id, at, events) })
}

// PutTimelineLater is PutTimeline without waiting; done hears when it is durable.
// That events are JSON is taken from who has just written them.
func (s *Store) PutTimelineLater(id string, at time.Time, events json.RawMessage, done func(error)) {
	err := checkSize(id, at, events)
	s.updateIdle(func(t *tx) error {
		if err != nil {
			return err
		}
		return writeTimeline(t, id, at, events)
	}, done)
}

// GetTimeline reads the timeline of a call.
func (s *Store) GetTimeline(id string) (events json.RawMessage, ok bool, err error) {
	err = s.view(func(v *view) error {
		c, found, err := v.get(timelineKey(id))
		if found {
			events, ok = c.value[8:], true
		}
		return err
	})
	return events, ok, err
}

func checkTimeline(id string, at time.Time, events json.RawMessage) error {
	if !json.Valid(events) {
		return fault.New(fault.Invalid, "store: the timeline of %s is not JSON", id)
	}
	return checkSize(id, at, events)
}

func checkSize(id string, at time.Time, events json.RawMessage) error {
	switch {
	case id == "" || len(id) > MaxKey/2 || at.UnixNano() <= 0:
		return fault.New(fault.Invalid, "store: a timeline has an id of at most %d bytes and a time", MaxKey/2)
	case len(events) > MaxDocument:
		return fault.New(fault.Limit, "store: the timeline of %s has %d bytes, the most is %d", id, len(events), MaxDocument)
	}
	return nil
}

// writeTimeline stores the time before the events, to find the age entry when
// the timeline is replaced or removed.
func writeTimeline(t *tx, id string, at time.Time, events []byte) error {
	if err := dropTimeline(t, id); err != nil {
		return err
	}
	t.mark(ageKey(at, id))
	return t.put(timelineKey(id), append(ascending(at), events...), 0)
}

func dropTimeline(t *tx, id string) error {
	c, ok, err := t.get(timelineKey(id))
	if err != nil || !ok {
		return err
	}
	t.stage(append(append([]byte{classTimeAge}, c.value[:8]...), id...), nil)
	return t.del(timelineKey(id))
}

func timelineKey(id string) []byte { return append([]byte{classTimeline}, id...) }

func ageKey(at time.Time, id string) []byte {
	return append(append([]byte{classTimeAge}, ascending(at)...), id...)
}
