package campaigns

import (
	"encoding/binary"
	"encoding/json"
	"strings"

	"github.com/loopstart/loopstart/campaign"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/store"
)

// Contact implements campaign.Repo.
func (r *Repo) Contact(id string, seq uint64) (*campaign.Contact, bool, error) {
	k := &campaign.Contact{}
	ok, err := r.read(contactKey(id, seq), k)
	return k, ok, err
}

// SeqOfKey implements campaign.Repo.
func (r *Repo) SeqOfKey(id, key string) (uint64, bool, error) { return r.seq(keyKey(id, key)) }

// SeqOfPhone implements campaign.Repo.
func (r *Repo) SeqOfPhone(id, phone string) (uint64, bool, error) { return r.seq(phoneKey(phone, id)) }

func (r *Repo) seq(key string) (uint64, bool, error) {
	raw, ok, err := r.space.Get(key)
	if err != nil || !ok || len(raw) < 8 {
		return 0, false, err
	}
	return binary.BigEndian.Uint64(raw[len(raw)-8:]), true, nil
}

// Contacts implements campaign.Repo.
func (r *Repo) Contacts(id string, after uint64, limit int) ([]*campaign.Contact, error) {
	prefix := contacts(id)
	entries, err := r.space.Scan(prefix, prefix+string(seqBytes(after)), limit)
	if err != nil {
		return nil, err
	}
	out := make([]*campaign.Contact, len(entries))
	for i, e := range entries {
		out[i] = &campaign.Contact{}
		if err := decode(e, out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// CampaignsOf implements campaign.Repo.
func (r *Repo) CampaignsOf(phone string) (ids []string, err error) {
	prefix := "p" + phone + "\x00"
	for after := ""; ; {
		entries, err := r.space.Scan(prefix, after, listBatch)
		if err != nil || len(entries) == 0 {
			return ids, err
		}
		for _, e := range entries {
			ids = append(ids, e.Key[len(prefix):])
		}
		after = entries[len(entries)-1].Key
	}
}

const listBatch = 500

// Queues implements campaign.Repo: one look at each queue.
func (r *Repo) Queues(id string) (out []campaign.Queue, err error) {
	prefix := dues(id)
	for after := ""; ; {
		entries, err := r.space.Scan(prefix, after, 1)
		if err != nil || len(entries) == 0 {
			return out, err
		}
		name := entries[0].Key[len(prefix) : len(entries[0].Key)-dueSize]
		zone, priority, ok := strings.Cut(name, "\x00")
		if !ok || len(priority) != 2 {
			return out, fault.New(fault.Internal, "campaign %s: queue %q", id, name)
		}
		place := int(priority[0])<<8 | int(priority[1])
		out = append(out, campaign.Queue{Zone: zone, Priority: campaign.MaxPriority - place/2, Timed: place%2 == 0})
		after = prefix + name + strings.Repeat("\xff", dueSize)
	}
}

// Due implements campaign.Repo.
func (r *Repo) Due(id string, q campaign.Queue, after campaign.Due, limit int) ([]campaign.Due, error) {
	prefix, from := queueKey(id, q), ""
	if text := dueText(after); text != "" {
		from = prefix + text
	}
	entries, err := r.space.Scan(prefix, from, limit)
	if err != nil {
		return nil, err
	}
	out := make([]campaign.Due, len(entries))
	for i, e := range entries {
		out[i] = readDue(e.Key[len(prefix):])
	}
	return out, nil
}

// Intents implements campaign.Repo.
func (r *Repo) Intents(id string, after uint64, limit int) ([]uint64, error) {
	prefix := intents(id)
	entries, err := r.space.Scan(prefix, prefix+string(seqBytes(after)), limit)
	if err != nil {
		return nil, err
	}
	out := make([]uint64, len(entries))
	for i, e := range entries {
		out[i] = binary.BigEndian.Uint64([]byte(e.Key[len(prefix):]))
	}
	return out, nil
}

// Dials implements campaign.Repo.
func (r *Repo) Dials(phone string) (dials []campaign.Dial, err error) {
	_, err = r.read(dialsKey(phone), &dials)
	return dials, err
}

// NoteDial implements campaign.Repo.
func (r *Repo) NoteDial(phone string, d campaign.Dial) error {
	op, err := r.dialOp(phone, d)
	if err != nil {
		return err
	}
	return r.space.Apply(op)
}

// ForgetDials implements campaign.Repo.
func (r *Repo) ForgetDials(phone string) error { return r.space.Apply(store.Op{Key: dialsKey(phone)}) }

func (r *Repo) dialOp(phone string, d campaign.Dial) (store.Op, error) {
	dials, err := r.Dials(phone)
	if err != nil {
		return store.Op{}, err
	}
	raw, err := json.Marshal(campaign.Remember(dials, d))
	if err != nil {
		return store.Op{}, fault.New(fault.Internal, "campaign: dials: %w", err)
	}
	return store.Op{Key: dialsKey(phone), Value: raw}, nil
}
