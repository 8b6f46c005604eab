package media

import (
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/detect"
)

// toneWatch is the in-band side of a session's digits.
type toneWatch struct {
	rx   *detect.KeyReceiver // nil: nothing is listened for
	next uint32              // RTP timestamp that follows the last packet
	last time.Duration       // shard time of the last packet
}

// asDigit is the news in the form of telephone-events.
func asDigit(n detect.KeyNews) digitNews {
	return digitNews{
		began: n.Began != 0, beganKey: n.Began, ended: n.Ended != 0, endedKey: n.Ended,
		durationMs: n.DurationMs, endedBefore: n.Began != 0 && n.Ended != 0,
	}
}

// agree begins or ends listening. One that listens goes on as it is.
func (w *toneWatch) agree(l *leg, sh *shard, rx *detect.KeyReceiver) {
	switch {
	case rx == nil && w.rx != nil:
		if n := w.stop(); n.Ended != 0 {
			l.report(sh, asDigit(n), sh.now)
		}
		w.rx = nil
	case rx != nil && w.rx == nil:
		w.rx = rx
	}
}

// packet listens to a packet's audio. A gap or a step back begins anew: two
// pieces of a tone do not fit together.
func (w *toneWatch) packet(l *leg, sh *shard, ts uint32, pcm []int16) {
	var news detect.KeyNews
	switch d := int32(ts - w.next); {
	case d < 0 && d > -audio.SampleRate && w.last != 0:
		return // late: what it held has been judged without it
	case d != 0:
		w.rx.Skip()
	}
	w.next, w.last = ts+uint32(len(pcm)), sh.at
	if news = w.rx.Feed(pcm); news.Began != 0 || news.Ended != 0 {
		l.report(sh, asDigit(news), sh.now)
	}
}

// idle ends a digit whose audio has stopped.
func (w *toneWatch) idle(l *leg, sh *shard) {
	if w.rx == nil || w.rx.Active == 0 || sh.at-w.last < eventSilence*time.Millisecond {
		return
	}
	l.report(sh, asDigit(w.stop()), sh.now)
}

// pressed reports whether a key is in the audio now.
func (w *toneWatch) pressed() bool { return w.rx != nil && w.rx.Active != 0 }

func (w *toneWatch) stop() (news detect.KeyNews) {
	if w.rx != nil {
		news = w.rx.Stop()
	}
	return news
}
