package media

import (
	"time"

	"github.com/loopstart/loopstart/media/audio"
)

// toneWatch is the in-band side of a session's digits.
type toneWatch struct {
	rx   *toneReceiver // nil: nothing is listened for
	next uint32        // RTP timestamp that follows the last packet
	last time.Duration // shard time of the last packet
}

// digit is the news in the form of telephone-events.
func (n toneNews) digit() digitNews {
	return digitNews{
		began: n.began != 0, beganKey: n.began, ended: n.ended != 0, endedKey: n.ended,
		durationMs: n.durationMs, endedBefore: n.began != 0 && n.ended != 0,
	}
}

// agree begins or ends listening. One that listens goes on as it is.
func (w *toneWatch) agree(l *leg, sh *shard, rx *toneReceiver) {
	switch {
	case rx == nil && w.rx != nil:
		if n := w.stop(); n.ended != 0 {
			l.report(sh, n.digit(), sh.now)
		}
		w.rx = nil
	case rx != nil && w.rx == nil:
		w.rx = rx
	}
}

// packet listens to a packet's audio. A gap or a step back begins anew: two
// pieces of a tone do not fit together.
func (w *toneWatch) packet(l *leg, sh *shard, ts uint32, pcm []int16) {
	var news toneNews
	switch d := int32(ts - w.next); {
	case d < 0 && d > -audio.SampleRate && w.last != 0:
		return // late: what it held has been judged without it
	case d != 0:
		w.rx.skip()
	}
	w.next, w.last = ts+uint32(len(pcm)), sh.at
	if news = w.rx.feed(pcm); news.began != 0 || news.ended != 0 {
		l.report(sh, news.digit(), sh.now)
	}
}

// idle ends a digit whose audio has stopped.
func (w *toneWatch) idle(l *leg, sh *shard) {
	if w.rx == nil || w.rx.active == 0 || sh.at-w.last < eventSilence*time.Millisecond {
		return
	}
	l.report(sh, w.stop().digit(), sh.now)
}

// pressed reports whether a key is in the audio now.
func (w *toneWatch) pressed() bool { return w.rx != nil && w.rx.active != 0 }

func (w *toneWatch) stop() (news toneNews) {
	if w.rx != nil {
		news = w.rx.stop()
	}
	return news
}
