package sip

import (
	"errors"
	"hash/maphash"
	"sync"
	"time"

	gosip "github.com/emiago/sipgo/sip"
)

// dialogTable finds dialogs by Call-ID and our tag, and INVITEs that reached us
// twice on different ways.
type dialogTable struct {
	mu     sync.RWMutex
	byKey  map[dialogKey]*Dialog
	users  map[string]map[*Dialog]struct{} // dialogs of each user
	merged *recent[uint64, mergedInvite]
	seed   maphash.Seed
	closed bool
}

type dialogKey struct{ callID, localTag string }

// mergeKey is what two copies of one INVITE share (RFC 3261 §8.2.2.2).
type mergeKey struct {
	callID, fromTag string
	seq             uint32
}

// mergedInvite and its key are kept as hashes: parts of messages would hold the
// memory of thousands of calls that are over.
type mergedInvite struct {
	branch uint64
	at     time.Time
}

func (t *dialogTable) init() {
	t.byKey, t.users = map[dialogKey]*Dialog{}, map[string]map[*Dialog]struct{}{}
	t.merged, t.seed = newRecent[uint64, mergedInvite](2*MaxDialogs, nil), maphash.MakeSeed()
}

// Why a dialog is not entered.
var (
	errTableFull = errors.New("too many calls are up")
	errUserBusy  = errors.New("the user has as many calls as allowed")
)

// question is the call that a phone may make beside those that it has: to ask
// somebody before a transfer, whether or not it holds meanwhile.
const question = 1

// add enters a dialog, unless there are too many, or its user, if it has one,
// may make no more; maxOfUser 0 is no limit.
func (t *dialogTable) add(d *Dialog, maxOfUser int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed || len(t.byKey) >= MaxDialogs || t.byKey[d.key] != nil:
		return errTableFull
	case d.account != "" && maxOfUser > 0 && t.callsOf(d.account) >= maxOfUser+question:
		return errUserBusy
	}
	t.byKey[d.key] = d
	if d.account != "" {
		if t.users[d.account] == nil {
			t.users[d.account] = map[*Dialog]struct{}{}
		}
		t.users[d.account][d] = struct{}{}
	}
	return nil
}

// callsOf counts the calls of a user. All of its phones that ring are one call.
// One that we have given up is none, although it may stay for half a minute: a
// phone that is switched off answers neither CANCEL nor BYE.
func (t *dialogTable) callsOf(user string) int {
	n, rings := 0, 0
	for d := range t.users[user] {
		switch {
		case d.hangup.Load():
		case d.outbound && !d.up.Load():
			rings = 1
		default:
			n++
		}
	}
	return n + rings
}

func (t *dialogTable) remove(d *Dialog) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byKey[d.key] != d {
		return
	}
	delete(t.byKey, d.key)
	if d.account != "" {
		if delete(t.users[d.account], d); len(t.users[d.account]) == 0 {
			delete(t.users, d.account)
		}
	}
}

func (t *dialogTable) find(callID, localTag string) *Dialog {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byKey[dialogKey{callID, localTag}]
}

func (t *dialogTable) size() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.byKey)
}

// copyOf tells whether the INVITE came already with another branch; else it
// remembers this one for as long as its transaction may live.
func (t *dialogTable) copyOf(req *gosip.Request, now time.Time) bool {
	from, _ := req.From().Params.Get("tag")
	via, _ := req.Via().Params.Get("branch")
	branch := maphash.String(t.seed, via)
	k := maphash.Comparable(t.seed, mergeKey{req.CallID().Value(), from, req.CSeq().SeqNo})
	t.mu.Lock()
	defer t.mu.Unlock()
	if m, ok := t.merged.get(k); ok && m.branch != branch && now.Sub(m.at) < timer64 {
		return true
	}
	t.merged.put(k, mergedInvite{branch, now})
	return false
}

// closeAll ends every dialog and waits for their goroutines.
func (t *dialogTable) closeAll() {
	t.mu.Lock()
	t.closed = true
	list := make([]*Dialog, 0, len(t.byKey))
	for _, d := range t.byKey {
		list = append(list, d)
	}
	t.mu.Unlock()
	for _, d := range list {
		d.box.postUrgent(input{kind: inClose, reason: ReasonClosed})
	}
	for _, d := range list {
		<-d.done
	}
}
