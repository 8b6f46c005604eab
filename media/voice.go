package media

import (
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/sound"
)

// voiceWatch tells when the peer begins and ends to speak, for callers that
// wait for the end of a prompt. It costs a look at each packet and is off
// unless SessionOptions.Voice is set.
type voiceWatch struct {
	speaking bool
	last     time.Duration // of the last packet with voice
}

// packet takes one packet of audio.
func (v *voiceWatch) packet(l *leg, sh *shard, pcm []int16) {
	if audio.MeanLevel(pcm) < audio.VoiceLevel {
		return
	}
	if l.s.opts.Marks {
		if mark, ok := sound.MarkIn(pcm); ok {
			sh.emit(l.s, Event{Kind: MarkHeard, Mark: mark})
		}
	}
	v.last = sh.at
	if !v.speaking {
		v.speaking = true
		sh.emit(l.s, Event{Kind: VoiceBegan})
	}
}

// idle ends the voice after the pause that was asked for.
func (v *voiceWatch) idle(l *leg, sh *shard) {
	if v.speaking && sh.at-v.last >= l.s.opts.Voice {
		v.speaking = false
		sh.emit(l.s, Event{Kind: VoiceEnded})
	}
}
