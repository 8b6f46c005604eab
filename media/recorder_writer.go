package media

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/sound"
)

// Limits of the writer pool. A job is one chunk, so writerQueue bounds the
// memory that waits for the disk to 64 MiB.
const (
	writerCount = 4
	writerQueue = 4096
	// writerReserve is kept for the ends of recordings.
	writerReserve = 512
)

// writeJob is one chunk on its way into a file.
type writeJob struct {
	rec   *Recorder
	data  []byte
	at    int64 // bytes of audio before it
	final bool
	end   int64 // bytes of audio of the whole file, with final
	event Event
}

// writerPool writes recordings. The jobs of one recording always go to the
// same writer, which keeps them in order.
type writerPool struct {
	clk     clock.Clock
	queues  [writerCount]chan writeJob
	wg      sync.WaitGroup
	failed  atomic.Uint64
	thinned atomic.Uint64 // chunks refused because the disk is behind
}

func newWriterPool(clk clock.Clock) *writerPool {
	p := &writerPool{clk: clk}
	for i := range p.queues {
		p.queues[i] = make(chan writeJob, writerQueue/writerCount)
		p.wg.Go(func() { p.run(p.queues[i]) })
	}
	return p
}

// write queues a job without waiting and reports whether there was room.
func (p *writerPool) write(job writeJob) bool {
	q := p.queues[job.rec.owner.id%writerCount]
	if !job.final && len(q) > cap(q)-writerReserve/writerCount {
		p.thinned.Add(1)
		return false
	}
	p.clk.Busy(1)
	select {
	case q <- job:
		return true
	default:
		p.clk.Busy(-1)
		p.thinned.Add(1)
		return false
	}
}

func (p *writerPool) run(queue chan writeJob) {
	for job := range queue {
		p.do(job)
		p.clk.Busy(-1)
	}
}

func (p *writerPool) do(job writeJob) {
	r := job.rec
	if err := r.disk.write(r, job); err != nil && !r.failed.Swap(true) {
		p.failed.Add(1)
		r.disk.err = fmt.Errorf("media: record: %w", err)
	}
	if job.data != nil {
		select {
		case r.free <- job.data[:0]:
		default: // never: there are recordChunks of them
		}
	}
	if !job.final {
		return
	}
	e := job.event
	if r.failed.Load() {
		e.Reason, e.Err = ReasonDisk, r.disk.err
		e.DurationMs = int(r.disk.size * 1000 / int64(2*r.channels) / audio.SampleRate)
	}
	r.owner.engine.recordings.Add(-1)
	r.owner.engine.notes.post(r.owner.sink, e)
}

// close waits until everything is written.
func (p *writerPool) close() {
	for _, q := range p.queues {
		close(q)
	}
	p.wg.Wait()
}

// recordFile is the file side of a recording.
type recordFile struct {
	headed bool
	size   int64 // bytes of audio that the header promises
	err    error // the first one; nothing is written after it
}

// write puts one chunk into its place; chunks that were never written leave
// holes, which read as silence.
func (f *recordFile) write(r *Recorder, job writeJob) error {
	if r.failed.Load() {
		return nil
	}
	if !f.headed {
		if _, err := r.file.WriteAt(sound.WAVHeader(r.channels), 0); err != nil {
			return err
		}
		f.headed = true
	}
	if len(job.data) > 0 {
		if _, err := r.file.WriteAt(job.data, sound.WAVHeaderBytes+job.at); err != nil {
			return err
		}
	}
	end := max(f.size, job.at+int64(len(job.data)))
	if job.final && job.end > end {
		if err := r.file.Truncate(sound.WAVHeaderBytes + job.end); err != nil {
			return err
		}
		end = job.end
	}
	if end == f.size && !job.final {
		return nil
	}
	f.size = end
	return sound.WriteWAVSizes(r.file, r.channels, end)
}
