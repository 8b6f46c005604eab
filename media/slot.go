package media

import (
	"time"

	"github.com/loopstart/loopstart/media/audio"
)

// The timing wheel: a frame of 20 ms is cut into slots of 2 ms, and a session
// belongs to one slot. Frame f of slot k is due at base + f×20 ms + k×2 ms, on
// every shard alike, so that a session keeps its rhythm when it changes shards.
const (
	slotCount  = 10
	slotLength = audio.FrameDuration / slotCount
	// maxBurst is how many frames a late session may send at once; the ones
	// before are skipped.
	maxBurst = 2
	// slotShare is how many sessions a slot takes before the next one is begun,
	// fewer where they are such work that its pass takes slotWork.
	slotShare = 48
	slotWork  = slotLength / 4
)

type slot struct {
	sessions []*Session
	done     int64         // latest frame that has been processed
	at       time.Duration // when that was
	took     time.Duration // how long the pass that did it went on
}

// dueAt is when frame f of slot k is due, counted from the base.
func dueAt(f int64, k int) time.Duration {
	return time.Duration(f)*audio.FrameDuration + time.Duration(k)*slotLength
}

// frameAt is the latest frame of slot k that is due at a time, −1 before the
// first one.
func frameAt(at time.Duration, k int) int64 {
	at -= time.Duration(k) * slotLength
	if at < 0 {
		return -1
	}
	return int64(at / audio.FrameDuration)
}

// add puts a session into a slot, to be processed first in the frame after at.
func (sh *shard) add(s *Session, at time.Duration) {
	l := &s.leg
	if !l.begun {
		l.slot = sh.place(at)
	}
	sl := &sh.slots[l.slot]
	if len(sl.sessions) == 0 {
		// An empty slot may not have been visited for hours; a session that
		// came from another shard may be due at this very moment.
		sl.done = frameAt(at, l.slot)
		if l.begun {
			sl.done = min(sl.done, l.due-1)
		}
	}
	if !l.begun {
		l.due = frameAt(at, l.slot) + 1
	}
	l.index = len(sl.sessions)
	sl.sessions = append(sl.sessions, s)
	if l.fast != 0 {
		sh.speed(l, l.fast, true)
	}
}

// remove takes a session out of its slot and off the fast list.
func (sh *shard) remove(s *Session) {
	l := &s.leg
	sl := &sh.slots[l.slot]
	last := len(sl.sessions) - 1
	sl.sessions[l.index] = sl.sessions[last]
	sl.sessions[l.index].leg.index = l.index
	sl.sessions[last] = nil
	sl.sessions = sl.sessions[:last]
	reasons := l.fast
	sh.speed(l, fastAll, false)
	l.fast = reasons
}

// place is the slot for a new session. Slots are filled one after another, so
// that few sessions need few wake-ups: of those that have begun and have room
// the one that is due soonest, else the next empty one, else the one with the
// fewest sessions.
func (sh *shard) place(at time.Duration) int {
	room, empty, least := -1, -1, -1
	now := int(at % audio.FrameDuration / slotLength)
	for i := 1; i <= slotCount; i++ {
		k := (now + i) % slotCount
		n := len(sh.slots[k].sessions)
		switch {
		case n == 0 && empty < 0:
			empty = k
		case n > 0 && n < slotShare && sh.slots[k].took < slotWork && room < 0:
			room = k
		}
		if least < 0 || n < len(sh.slots[least].sessions) {
			least = k
		}
	}
	switch {
	case room >= 0:
		return room
	case empty >= 0:
		return empty
	}
	return least
}

// fastReason says why a session is read more often than once a frame.
type fastReason uint8

const (
	fastBridge fastReason = 1 << iota // its packets are passed on
	fastFlood                         // more arrives than a frame's reads take
	fastPack                          // its packets are no whole frames
	fastAll    = fastBridge | fastFlood | fastPack
	// fastPeriod is how often those sessions are read: two slots.
	fastPeriod = 2 * slotLength
)

// speed adds or takes away a reason to read a session more often.
func (sh *shard) speed(l *leg, reason fastReason, on bool) {
	if on {
		l.fast |= reason
	} else {
		l.fast &^= reason
	}
	listed := l.fastIndex < len(sh.fast) && sh.fast[l.fastIndex] == l
	switch {
	case l.fast != 0 && !listed:
		l.fastIndex = len(sh.fast)
		sh.fast = append(sh.fast, l)
	case l.fast == 0 && listed:
		last := len(sh.fast) - 1
		sh.fast[l.fastIndex] = sh.fast[last]
		sh.fast[l.fastIndex].fastIndex = l.fastIndex
		sh.fast[last] = nil
		sh.fast = sh.fast[:last]
	}
}
