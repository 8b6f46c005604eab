package engine

import (
	"cmp"
	"encoding/json"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/sound"
)

// unfinished is the extension of the note beside a recording of which nobody has
// been told yet that it is stored. It outlives a killed process: the next one
// finishes what it stands for.
const unfinished = ".open"

// pending is what such a note says.
type pending struct {
	Format     string `json:"format,omitempty"`      // "": the configuration's
	DurationMs int64  `json:"duration_ms,omitempty"` // 0: not over yet
}

func (r *recordings) begin(id string, p pending) error {
	body, _ := json.Marshal(p) // a text and a number
	if err := r.root.WriteFile(id+unfinished, body, 0o640); err != nil {
		return fault.New(fault.Media, "recording: %w", err)
	}
	return nil
}

func (r *recordings) over(id string) { _ = r.root.Remove(id + unfinished) }

// cut are the recordings that an earlier process has not finished.
func (r *recordings) cut() []string {
	entries, err := fs.ReadDir(r.root.FS(), ".")
	if err != nil {
		return nil
	}
	var ids []string
	for _, entry := range entries {
		if id, ok := strings.CutSuffix(entry.Name(), unfinished); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// resume finishes a recording that was cut off: its header is repaired already.
func (r *recordings) resume(id string) {
	var p pending
	if body, err := r.root.ReadFile(id + unfinished); err == nil {
		_ = json.Unmarshal(body, &p) // cut off itself: as if nothing had been asked for
	}
	done := call.Recorded{ID: id, Format: p.Format, Duration: time.Duration(p.DurationMs) * time.Millisecond}
	name, err := r.stored(id)
	switch {
	case err != nil:
		r.finish(done, fault.New(fault.Media, "the process ended before anything was written"))
	case filepath.Ext(name) != ".wav": // made, and not told any more
		done.Format = strings.TrimPrefix(filepath.Ext(name), ".")
		r.done(done, nil)
		r.over(id)
	default:
		lasts, err := sound.WAVLength(filepath.Join(r.dir, name))
		if err == nil && lasts == 0 {
			err = fault.New(fault.Media, "the process ended before anything was written")
		}
		if err != nil {
			r.discard(id)
		}
		done.Duration = lasts
		r.finish(done, err)
	}
}

// resumeRecordings finishes, beside the calls, what an earlier process has not.
func (e *Engine) resumeRecordings() {
	ids := e.record.cut()
	if len(ids) == 0 {
		return
	}
	e.wg.Add(1)
	e.clk.Busy(1)
	go func() {
		defer e.wg.Done()
		defer e.clk.Busy(-1)
		for _, id := range ids {
			if e.ctx.Err() != nil {
				return
			}
			e.record.resume(id)
		}
	}()
}

// recordingDone tells what became of a recording, once.
func (e *Engine) recordingDone(done call.Recorded, failed error) {
	id := done.ID
	kind, data := "recording.stored", map[string]any{"id": id, "duration_ms": done.Duration.Milliseconds(), "format": done.Format}
	if failed != nil {
		kind, data["message"] = "recording.failed", failed.Error()
		e.unrecorded(id, failed)
	}
	ev := Event{EventID: "recording-" + id, Type: kind, At: e.clk.Now()}
	if room := strings.HasPrefix(id, roomPrefix); !room {
		ev.Call = callOf(id)
	} else if link, err := e.record.Link(id, 0); err == nil && failed == nil {
		data["link"] = link
	}
	ev.Data, _ = json.Marshal(data) // texts and a number
	e.emit(e.orderOf(&ev), ev)
}

// unrecorded puts into the record of a call that a recording of it failed. The
// disk may be slower than the end of the call.
func (e *Engine) unrecorded(id string, why error) {
	_, err := e.record.stored(id)
	lost := err != nil
	if l := e.calls.find(callOf(id)); l != nil {
		if l.RecordingFailed(id, why, lost) {
			return
		}
		select {
		case <-l.kept:
		case <-e.ctx.Done():
		}
	}
	row, ok, err := e.store.GetRecord(callOf(id))
	var r call.Record
	if err != nil || !ok || json.Unmarshal(row.JSON, &r) != nil || r.Unrecorded != "" && !lost {
		return
	}
	r.Unrecorded = cmp.Or(r.Unrecorded, call.NotRecorded(id, why))
	if lost && r.Recording == id {
		r.Recording = ""
	}
	if row.JSON, err = json.Marshal(r); err == nil {
		err = e.store.PutRecord(row)
	}
	if err != nil {
		e.log.Error("engine: the record does not tell of its failed recording", "call", r.ID, "err", err)
	}
}

// orderOf names the order of an event's call, and finds it. The disk may be
// slower than the end of the call, and even of the process.
func (e *Engine) orderOf(ev *Event) *order {
	if l := e.calls.find(ev.Call); l != nil {
		spec := l.Call.Spec()
		ev.Order, ev.Key, ev.Campaign = spec.Order, spec.Key, spec.Campaign
		return l.order
	}
	row, ok, err := e.store.GetRecord(ev.Call)
	if ev.Call == "" || err != nil || !ok {
		return nil
	}
	var r call.Record
	if json.Unmarshal(row.JSON, &r) != nil {
		return nil
	}
	ev.Order, ev.Key, ev.Campaign = r.Order, r.Key, r.Campaign
	if ord := e.orders.find(r.Order); ord != nil {
		return ord
	}
	kept, ok, err := e.store.GetOrder(r.Order)
	ord := &order{}
	if err != nil || !ok || json.Unmarshal(kept.JSON, &ord.Order) != nil {
		return nil
	}
	return ord
}
