package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/api"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/store"
)

// audit is the log of what was changed through the API, newest first. Entries
// are only added; the sweep removes those older than keep.audit. An entry is
// queued for the disk before its request is over, with the request's own write
// or the next one.
type audit struct {
	e     *Engine
	space *store.Space
	seq   *atomic.Uint32
	Lost  *atomic.Int64 // entries that the disk refused
}

// auditKey sorts newest first.
func auditKey(at time.Time, seq uint32) string {
	return fmt.Sprintf("%016x%08x", ^uint64(at.UnixNano()), ^seq)
}

// Note implements api.Audit. Numbers are masked: who erases a person must not
// leave the number here.
func (a *surface) Note(en api.AuditEntry) {
	l := a.audit
	en.At = a.clk.Now().UTC()
	en.Path, en.Detail = maskNumbers(en.Path), maskNumbers(en.Detail)
	raw, err := json.Marshal(en)
	if err != nil {
		return
	}
	l.space.ApplyLater(func(err error) {
		if err != nil {
			l.Lost.Add(1)
			l.e.log.Error("engine: audit", "token", en.Token, "method", en.Method, "path", en.Path, "status", en.Status, "err", err)
		}
	}, store.Op{Key: auditKey(en.At, l.seq.Add(1)), Value: raw})
}

// Audit implements api.Audit.
func (a *surface) Audit(since time.Time, limit int, cursor string) (list []api.AuditEntry, next string, err error) {
	if cursor != "" && (len(cursor) != 24 || strings.Trim(cursor, "0123456789abcdef") != "") {
		return nil, "", fault.New(fault.Invalid, "the cursor is not one of ours")
	}
	list = []api.AuditEntry{}
	rows, err := a.audit.space.Scan("", cursor, limit+1)
	if err != nil {
		return nil, "", err
	}
	for i, row := range rows {
		var en api.AuditEntry
		if err := json.Unmarshal(row.Value, &en); err != nil {
			return nil, "", fault.New(fault.Internal, "audit %s: %w", row.Key, err)
		}
		if !since.IsZero() && en.At.Before(since) {
			return list, "", nil
		}
		if i == limit {
			return list, rows[i-1].Key, nil
		}
		list = append(list, en)
	}
	return list, "", nil
}

// sweep removes what is older than keep.
func (l audit) sweep(ctx context.Context, now time.Time, keep time.Duration) error {
	if keep <= 0 {
		return nil
	}
	for from := auditKey(now.Add(-keep), 0); ctx.Err() == nil; {
		rows, err := l.space.Scan("", from, store.MaxOps)
		if err != nil || len(rows) == 0 {
			return err
		}
		var ops []store.Op
		for _, row := range rows {
			ops = append(ops, store.Op{Key: row.Key})
		}
		if err := l.space.Apply(ops...); err != nil {
			return err
		}
	}
	return nil
}
