// Package campaigns keeps campaigns in the store: it is campaign.Repo on one
// private space.
//
// # Concurrency
//
// All methods may be called from any goroutine. Changes of one campaign, and
// dials of one number, come from one goroutine at a time, as package campaign
// has it (the turn, and Phones.Hold).
//
// # Limits
//
//	one transaction  1,024 keys (store.MaxOps) and 1 MiB; a Commit of more is several, each whole
//	dials of a number campaign.MaxDials
//
// # Errors
//
// Those of the store; INTERNAL for a row that cannot be read.
//
// # Keys
//
//	c id                     a campaign
//	n id 0 seq               a contact
//	k id 0 key               its seq
//	p phone 0 id             the seqs of the contacts with that number, the last one added at the end
//	d id 0 zone 0 priority next seq  a contact that waits, in the order of dialling
//	i id 0 seq               an attempt without a result
//	h phone                  the last dials of a number
package campaigns

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/loopstart/loopstart/campaign"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/store"
)

const (
	chunkOps   = store.MaxOps
	chunkBytes = 1 << 20
)

// Space is the part of the store that campaigns need; store.Space is one.
type Space interface {
	Apply(ops ...store.Op) error
	Get(key string) (value []byte, ok bool, err error)
	Scan(prefix, after string, limit int) ([]store.Entry, error)
}

// SpaceName is the space of the store that campaigns are in.
const SpaceName = "campaigns"

// Repo is campaign.Repo.
type Repo struct{ space Space }

var _ campaign.Repo = (*Repo)(nil)

// New makes a repo of a space, which is store.Space(SpaceName) outside tests.
func New(space Space) *Repo { return &Repo{space} }

// PutRow implements campaign.Repo.
func (r *Repo) PutRow(row campaign.Row) error {
	op, err := putRow(row)
	if err != nil {
		return err
	}
	return r.space.Apply(op)
}

// Row implements campaign.Repo.
func (r *Repo) Row(id string) (row campaign.Row, ok bool, err error) {
	ok, err = r.read(rowKey(id), &row)
	return row, ok, err
}

// Rows implements campaign.Repo.
func (r *Repo) Rows(after string, limit int) ([]campaign.Row, error) {
	if after != "" {
		after = rowKey(after)
	}
	entries, err := r.space.Scan("c", after, limit)
	rows := make([]campaign.Row, len(entries))
	for i, e := range entries {
		if err := decode(e, &rows[i]); err != nil {
			return nil, err
		}
	}
	return rows, err
}

// Commit implements campaign.Repo.
func (r *Repo) Commit(row campaign.Row, changes []campaign.Change) (campaign.Row, int, error) {
	stored := row
	for saved := 0; saved < len(changes); {
		next, ops, n, err := r.chunk(stored, changes[saved:])
		if err == nil {
			err = r.space.Apply(ops...)
		}
		if err != nil {
			return stored, saved, err
		}
		stored, saved = next, saved+n
	}
	return stored, len(changes), nil
}

// chunk is as many changes as fit into one transaction, with the row after
// them.
func (r *Repo) chunk(row campaign.Row, changes []campaign.Change) (next campaign.Row, ops []store.Op, n int, err error) {
	size, held := 0, phones{}
	for _, ch := range changes {
		more, err := r.ops(row.ID, ch, held)
		if err != nil {
			return row, nil, 0, err
		}
		weight := 0
		for _, op := range more {
			weight += len(op.Key) + len(op.Value)
		}
		if n > 0 && (len(ops)+len(more) >= chunkOps || size+weight > chunkBytes) {
			break
		}
		ops, size, n = append(ops, more...), size+weight, n+1
	}
	row = row.Tally(changes[:n]...)
	op, err := putRow(row)
	return row, append(ops, op), n, err
}

// ops are the keys that a change touches.
func (r *Repo) ops(id string, ch campaign.Change, held phones) (ops []store.Op, err error) {
	if ch.Old != nil {
		if ops, err = r.unindex(id, ch.Old, ch.New, held); err != nil {
			return nil, err
		}
	}
	if k := ch.New; k != nil {
		raw, err := json.Marshal(k)
		if err != nil {
			return nil, fault.New(fault.Invalid, "campaign: contact %q: %w", k.Key, err)
		}
		ops = append(ops, store.Op{Key: contactKey(id, k.Seq), Value: raw})
		if ch.Old == nil || ch.Old.Key != k.Key {
			ops = append(ops, store.Op{Key: keyKey(id, k.Key), Value: seqBytes(k.Seq)})
		}
		for _, p := range k.Phones {
			if ch.Old == nil || !slices.Contains(ch.Old.Phones, p) {
				op, err := r.phoneOp(phoneKey(p, id), k.Seq, true, held)
				if err != nil {
					return nil, err
				}
				ops = append(ops, op)
			}
		}
		switch k.State {
		case campaign.Waiting:
			ops = append(ops, store.Op{Key: dueKey(id, k), Value: []byte{}})
		case campaign.Dialing:
			ops = append(ops, store.Op{Key: intentKey(id, k.Seq), Value: []byte{}})
		}
	}
	if ch.Dial != nil {
		op, err := r.dialOp(ch.Phone, *ch.Dial)
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// unindex removes what found a contact and does not any more.
func (r *Repo) unindex(id string, old, k *campaign.Contact, held phones) (ops []store.Op, err error) {
	switch {
	case old.State == campaign.Waiting && (k == nil || k.State != campaign.Waiting || dueKey(id, k) != dueKey(id, old)):
		ops = append(ops, store.Op{Key: dueKey(id, old)})
	case old.State == campaign.Dialing && (k == nil || k.State != campaign.Dialing):
		ops = append(ops, store.Op{Key: intentKey(id, old.Seq)})
	}
	if k == nil {
		ops = append(ops, store.Op{Key: contactKey(id, old.Seq)})
	}
	if k == nil || k.Key != old.Key {
		ops = append(ops, store.Op{Key: keyKey(id, old.Key)})
	}
	for _, p := range old.Phones {
		if k != nil && slices.Contains(k.Phones, p) {
			continue
		}
		op, err := r.phoneOp(phoneKey(p, id), old.Seq, false, held)
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// phones are the values of phone keys that a transaction has changed already.
type phones map[string][]byte

// maxShared is how many contacts of one number are found by it; it takes
// dedupe "key" to have more than one.
const maxShared = 1000

// phoneOp adds a contact to those of a number, or takes it away.
func (r *Repo) phoneOp(key string, seq uint64, add bool, held phones) (store.Op, error) {
	seqs, ok := held[key]
	if !ok {
		var err error
		if seqs, _, err = r.space.Get(key); err != nil {
			return store.Op{}, err
		}
	}
	one := seqBytes(seq)
	var out []byte
	for rest := range slices.Chunk(seqs, len(one)) {
		if !bytes.Equal(rest, one) {
			out = append(out, rest...)
		}
	}
	if add {
		out = append(out, one...)
		out = out[max(len(out)-maxShared*len(one), 0):]
	}
	held[key] = out
	return store.Op{Key: key, Value: out}, nil
}

// Drop implements campaign.Repo: the contacts first, so that a crash leaves a
// campaign that can be dropped again.
func (r *Repo) Drop(id string) error {
	for {
		page, err := r.Contacts(id, 0, dropBatch)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return r.space.Apply(store.Op{Key: rowKey(id)})
		}
		var ops []store.Op
		held := phones{}
		for _, k := range page {
			more, err := r.ops(id, campaign.Change{Old: k}, held)
			if err != nil {
				return err
			}
			ops = append(ops, more...)
		}
		if err := r.space.Apply(ops...); err != nil {
			return err
		}
	}
}

// dropBatch contacts have no more keys than one transaction may hold.
const dropBatch = store.MaxOps / (campaign.MaxPhones + 4)

// read decodes one key.
func (r *Repo) read(key string, into any) (bool, error) {
	raw, ok, err := r.space.Get(key)
	if err != nil || !ok {
		return false, err
	}
	return true, decode(store.Entry{Key: key, Value: raw}, into)
}

func decode(e store.Entry, into any) error {
	if err := json.Unmarshal(e.Value, into); err != nil {
		return fault.New(fault.Internal, "campaign: %q: %w", e.Key, err)
	}
	return nil
}

func putRow(row campaign.Row) (store.Op, error) {
	raw, err := json.Marshal(row)
	if err != nil {
		return store.Op{}, fault.New(fault.Invalid, "campaign %s: %w", row.ID, err)
	}
	return store.Op{Key: rowKey(row.ID), Value: raw}, nil
}
