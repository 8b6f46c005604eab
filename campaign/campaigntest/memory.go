// Package campaigntest holds what the tests of campaigns share: a Repo in
// memory and the conformance suite that every Repo has to pass.
package campaigntest

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/loopstart/loopstart/campaign"
)

// Memory is a campaign.Repo of maps. What is written goes through JSON, as it
// does on disk.
type Memory struct {
	// Fail, when set, is asked before each write: an error refuses it.
	Fail func() error
	// Commits counts the writes that went through.
	Commits int

	mu    sync.Mutex
	rows  map[string]campaign.Row
	all   map[string]map[uint64]*campaign.Contact
	dials map[string][]campaign.Dial
}

var _ campaign.Repo = (*Memory)(nil)

// NewMemory returns an empty one.
func NewMemory() *Memory {
	return &Memory{rows: map[string]campaign.Row{}, all: map[string]map[uint64]*campaign.Contact{}, dials: map[string][]campaign.Dial{}}
}

func copied[T any](v T) (out T) {
	raw, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		panic("campaigntest: " + err.Error()) // a value that JSON cannot hold would be lost on disk
	}
	return out
}

// cloned is a copy that the caller may change.
func cloned(k *campaign.Contact) *campaign.Contact {
	n := *k
	n.Phones, n.Attempts, n.Bad = slices.Clone(k.Phones), slices.Clone(k.Attempts), slices.Clone(k.Bad)
	return &n
}

func (m *Memory) write(f func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Fail != nil {
		if err := m.Fail(); err != nil {
			return err
		}
	}
	m.Commits++
	f()
	return nil
}

// PutRow implements campaign.Repo.
func (m *Memory) PutRow(row campaign.Row) error {
	return m.write(func() { m.rows[row.ID] = copied(row) })
}

// Row implements campaign.Repo.
func (m *Memory) Row(id string) (campaign.Row, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	row, ok := m.rows[id]
	return row, ok, nil
}

// Rows implements campaign.Repo.
func (m *Memory) Rows(after string, limit int) (out []campaign.Row, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, row := range m.rows {
		if id > after {
			out = append(out, row)
		}
	}
	slices.SortFunc(out, func(a, b campaign.Row) int { return strings.Compare(a.ID, b.ID) })
	return out[:min(limit, len(out))], nil
}

// Drop implements campaign.Repo.
func (m *Memory) Drop(id string) error {
	return m.write(func() { delete(m.rows, id); delete(m.all, id) })
}

// Commit implements campaign.Repo: one transaction for each change.
func (m *Memory) Commit(row campaign.Row, changes []campaign.Change) (campaign.Row, int, error) {
	for i, ch := range changes {
		next := row.Tally(ch)
		err := m.write(func() {
			m.apply(row.ID, ch)
			m.rows[row.ID] = next // Tally has made its own counts
		})
		if err != nil {
			return row, i, err
		}
		row = next
	}
	return row, len(changes), nil
}

func (m *Memory) apply(id string, ch campaign.Change) {
	if m.all[id] == nil {
		m.all[id] = map[uint64]*campaign.Contact{}
	}
	if ch.Old != nil && ch.New == nil {
		delete(m.all[id], ch.Old.Seq)
	}
	if ch.New != nil {
		m.all[id][ch.New.Seq] = copied(ch.New)
	}
	if ch.Dial != nil {
		m.dials[ch.Phone] = campaign.Remember(m.dials[ch.Phone], *ch.Dial)
	}
}

// Contact implements campaign.Repo.
func (m *Memory) Contact(id string, seq uint64) (*campaign.Contact, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.all[id][seq]
	if !ok {
		return &campaign.Contact{}, false, nil
	}
	return cloned(k), true, nil
}

// SeqOfKey implements campaign.Repo.
func (m *Memory) SeqOfKey(id, key string) (uint64, bool, error) {
	return m.find(id, func(k *campaign.Contact) bool { return k.Key == key })
}

// SeqOfPhone implements campaign.Repo.
func (m *Memory) SeqOfPhone(id, phone string) (uint64, bool, error) {
	return m.find(id, func(k *campaign.Contact) bool { return slices.Contains(k.Phones, phone) })
}

func (m *Memory) find(id string, is func(*campaign.Contact) bool) (seq uint64, ok bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.all[id] {
		if is(k) && k.Seq > seq {
			seq, ok = k.Seq, true
		}
	}
	return seq, ok, nil
}

// sorted are the contacts after one, in order; they may be read only.
func (m *Memory) sorted(id string, after uint64) (out []*campaign.Contact) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for seq, k := range m.all[id] {
		if seq > after {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b *campaign.Contact) int { return int(a.Seq) - int(b.Seq) })
	return out
}

// Contacts implements campaign.Repo.
func (m *Memory) Contacts(id string, after uint64, limit int) (out []*campaign.Contact, err error) {
	for _, k := range m.sorted(id, after) {
		if len(out) < limit {
			out = append(out, cloned(k))
		}
	}
	return out, nil
}

// CampaignsOf implements campaign.Repo.
func (m *Memory) CampaignsOf(phone string) (out []string, err error) {
	m.mu.Lock()
	ids := make([]string, 0, len(m.all))
	for id := range m.all {
		ids = append(ids, id)
	}
	m.mu.Unlock()
	slices.Sort(ids)
	for _, id := range ids {
		if _, ok, _ := m.SeqOfPhone(id, phone); ok {
			out = append(out, id)
		}
	}
	return out, nil
}

// Queues implements campaign.Repo.
func (m *Memory) Queues(id string) (out []campaign.Queue, err error) {
	for _, k := range m.sorted(id, 0) {
		q := campaign.QueueOf(k)
		if k.State == campaign.Waiting && !slices.Contains(out, q) {
			out = append(out, q)
		}
	}
	return out, nil
}

// Due implements campaign.Repo.
func (m *Memory) Due(id string, q campaign.Queue, after campaign.Due, limit int) (out []campaign.Due, err error) {
	for _, k := range m.sorted(id, 0) {
		d := campaign.Due{Next: k.Next, Seq: k.Seq}
		if k.State == campaign.Waiting && campaign.QueueOf(k) == q && after.Before(d) {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b campaign.Due) int {
		if a.Before(b) {
			return -1
		}
		return 1
	})
	return out[:min(limit, len(out))], nil
}

// Intents implements campaign.Repo.
func (m *Memory) Intents(id string, after uint64, limit int) (out []uint64, err error) {
	for _, k := range m.sorted(id, after) {
		if k.State == campaign.Dialing && len(out) < limit {
			out = append(out, k.Seq)
		}
	}
	return out, nil
}

// Dials implements campaign.Repo.
func (m *Memory) Dials(phone string) ([]campaign.Dial, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.dials[phone]), nil
}

// NoteDial implements campaign.Repo.
func (m *Memory) NoteDial(phone string, d campaign.Dial) error {
	return m.write(func() { m.dials[phone] = campaign.Remember(m.dials[phone], copied(d)) })
}

// ForgetDials implements campaign.Repo.
func (m *Memory) ForgetDials(phone string) error {
	return m.write(func() { delete(m.dials, phone) })
}
