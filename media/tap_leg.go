package media

import (
	"time"

	"github.com/loopstart/loopstart/media/audio"
)

// The shard's half of a tap: lanes on the way out, a list of pieces on the way
// in. Nothing here allocates or waits: channels are used without blocking, and
// the list has one reader and one writer.

// tap starts a tap at the next frame.
func (l *leg) tap(sh *shard, t *Tap) {
	if l.tapCount == len(l.taps) || l.closing {
		t.end(sh, l.s, ReasonLimit)
		return
	}
	t.now = l.send.clock(l.due)
	l.taps[l.tapCount] = t
	l.tapCount++
}

// untap ends a tap, or all when t is nil.
func (l *leg) untap(sh *shard, t *Tap, reason string) {
	for i := l.tapCount - 1; i >= 0; i-- {
		x := l.taps[i]
		if t != nil && x != t {
			continue
		}
		l.tapCount--
		l.taps[i] = l.taps[l.tapCount]
		l.taps[l.tapCount] = nil
		x.end(sh, l.s, reason)
	}
	l.feeding = l.feeding && l.tapCount > 0
}

func (t *Tap) end(sh *shard, s *Session, reason string) {
	if t.ended {
		return
	}
	t.ended = true
	close(t.full)
	sh.emit(s, Event{Kind: TapEnded, Tap: t, Reason: reason})
}

// tapReceived takes decoded samples of the party; gap is as for a lane, now is
// our timestamp at their arrival.
func (l *leg) tapReceived(ts uint32, pcm []int16, gap int, now uint32) {
	for _, t := range l.taps[:l.tapCount] {
		if !t.opts.Inbound {
			continue
		}
		at := t.at + int64(int32(now-t.now))
		pos := t.lanes[TrackInbound].put(ts, pcm, gap, at, t.done, true)
		t.late(at - pos + int64(len(pcm)))
		if audio.Loud(pcm) {
			t.voiced = t.at
		}
	}
}

// tapSent takes decoded samples that were sent with our timestamp ts.
func (l *leg) tapSent(ts uint32, pcm []int16) {
	for _, t := range l.taps[:l.tapCount] {
		if !t.opts.Outbound {
			continue
		}
		t.lanes[TrackOutbound].fill(t.at+int64(int32(ts-t.now)), pcm, len(pcm), t.done)
		if audio.Loud(pcm) {
			t.voiced = t.at
		}
	}
}

// late takes how late a packet was there as a whole. A tap waits longer as soon
// as one has come too late, and again less long after a while without such.
func (t *Tap) late(by int64) {
	if t.at-t.worstAt > tapMemory {
		t.delay = max(tapDelay, min(t.delay, t.worst+audio.FrameSamples))
		t.worst, t.worstAt = 0, t.at
	}
	t.worst = max(t.worst, min(by, tapMost))
	t.delay = max(t.delay, t.worst)
}

// advanceTaps moves the taps on to the present frame.
func (l *leg) advanceTaps(sh *shard) {
	now := l.send.clock(l.due)
	for _, t := range l.taps[:l.tapCount] {
		t.advance(sh, now)
	}
}

// advance hands out what is old enough.
func (t *Tap) advance(sh *shard, now uint32) {
	t.at += int64(int32(now - t.now))
	t.now = now
	ready := t.at - t.delay
	if ready-t.done > laneSize/2 {
		// Frames were left out, in a rest of seconds or hours: so are theirs.
		t.done = (ready - audio.FrameSamples) / audio.FrameSamples * audio.FrameSamples
		for i := range t.lanes {
			t.lanes[i].reset()
		}
	}
	for ; t.done+audio.FrameSamples <= ready; t.done += audio.FrameSamples {
		if t.opts.Inbound {
			t.emit(sh, TrackInbound)
		}
		if t.opts.Outbound {
			t.emit(sh, TrackOutbound)
		}
	}
}

// emit hands out the frame at done, in place of the oldest one when the reader
// is too slow.
func (t *Tap) emit(sh *shard, track Track) {
	var f *TapFrame
	select {
	case f = <-t.free:
	default:
		select {
		case f = <-t.full:
			t.lost.Add(1)
			sh.engine.clk.Busy(-1)
		default:
			t.lost.Add(1) // all are in the reader's hands
			return
		}
	}
	f.Track, f.At = track, time.Duration(t.done)*time.Second/audio.SampleRate
	if track == TrackInbound {
		t.lanes[track].take(f.PCM[:], t.done)
	} else {
		t.lanes[track].pull(f.PCM[:], t.done)
	}
	sh.engine.clk.Busy(1)
	t.full <- f // there are as many places as frames
}

// fed mixes what the taps feed into one encoded frame; ok is false when they
// have nothing.
func (l *leg) fed(sh *shard) (payload []byte, heard audio.Piece, ok bool) {
	pcm := sh.feed[:]
	for _, t := range l.taps[:l.tapCount] {
		if t.empty() {
			continue
		}
		if !ok {
			clear(pcm)
		}
		if t.take(sh, l.s, pcm) {
			ok = true
		}
	}
	l.feeding = ok
	if !ok {
		return nil, heard, false
	}
	heard = audio.Piece{Samples: pcm, Rate: audio.SampleRate}
	full := l.fedFit.To(l.agreed.codec.Rate, sh.wide[:], heard)
	return sh.code[:l.enc.Encode(sh.code[:], full)], heard, true
}

// empty reports whether nothing is to be played or reported, and drops what
// Clear has named.
func (t *Tap) empty() bool { return t.head.next.Load() == nil }

// take adds the next 20 ms to pcm and reports whether there was any audio.
func (t *Tap) take(sh *shard, s *Session, pcm []int16) bool {
	t.skip(sh, s)
	if !t.flows {
		if n := t.queued.Load(); n > 0 && n < feedLead && t.lead < feedWait {
			t.lead++
			return false
		}
		t.flows, t.lead = true, 0
	}
	filled := 0
	for filled < len(pcm) {
		n := t.head.next.Load()
		if n == nil {
			t.flows = false
			break
		}
		if n.pcm == nil {
			t.pass(sh, s, n, true)
			continue
		}
		count := min(len(pcm)-filled, len(n.pcm)-t.offset)
		for i, v := range n.pcm[t.offset : t.offset+count] {
			pcm[filled+i] = audio.Clip(int32(pcm[filled+i]) + int32(v))
		}
		filled += count
		t.queued.Add(-int64(count))
		if t.offset += count; t.offset == len(n.pcm) {
			t.step(n)
		}
	}
	// Marks right behind the last sample belong to this frame.
	for n := t.head.next.Load(); n != nil && n.pcm == nil && filled > 0; n = t.head.next.Load() {
		t.pass(sh, s, n, true)
	}
	return filled > 0
}

// skip drops what was there when Clear was called.
func (t *Tap) skip(sh *shard, s *Session) {
	upTo := t.clear.Load()
	for n := t.head.next.Load(); n != nil && n.seq <= upTo; n = t.head.next.Load() {
		if n.pcm == nil {
			t.pass(sh, s, n, false)
			continue
		}
		t.queued.Add(-int64(len(n.pcm) - t.offset))
		t.step(n)
	}
}

// pass reports a mark.
func (t *Tap) pass(sh *shard, s *Session, n *feedNode, played bool) {
	t.step(n)
	sh.emit(s, Event{Kind: FeedMark, Tap: t, Mark: n.mark, Completed: played})
}

// step is through with n.
func (t *Tap) step(n *feedNode) {
	t.head, t.offset = n, 0
	n.pcm = nil
	t.nodes.Add(-1)
}

// skipFeeds drops what was cleared while something else is heard.
func (l *leg) skipFeeds(sh *shard) {
	for _, t := range l.taps[:l.tapCount] {
		t.skip(sh, l.s)
	}
}

// tapsRest reports whether no tap needs the time to pass frame by frame.
func (l *leg) tapsRest() bool {
	for _, t := range l.taps[:l.tapCount] {
		if !t.empty() || t.at-t.voiced < audio.Samples(tapQuiet) {
			return false
		}
	}
	return true
}
