package call

import (
	"os"
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/detect"
	"github.com/loopstart/loopstart/media/sound"
)

// Detection is how detectMachine listens.
type Detection struct {
	detect.AnswerOptions
	Clip bool // keep what was heard as a recording
}

// Clip is a recording of what was heard until the verdict.
type Clip struct {
	ID         string `json:"id"`
	DurationMs int64  `json:"durationMs"`
}

// clip is what a detector has heard, kept as evidence. Its file is written on
// the listener's goroutine, never on the call's.
type clip struct {
	call *Call
	id   string
	pcm  []int16
}

// newClip names the next one of the call: id-answer, id-answer-2, …
func (c *Call) newClip() *clip {
	c.clips++
	k := &clip{call: c, id: c.spec.ID + "-answer"}
	if c.clips > 1 {
		k.id += "-" + itoa(c.clips)
	}
	return k
}

// store writes the file. Without it the verdict stands all the same.
func (k *clip) store() *Clip {
	lasts := time.Duration(len(k.pcm)) * time.Second / audio.SampleRate
	f, err := k.call.deps.Recordings.Create(k.id, "wav")
	if err == nil {
		err = k.write(f)
		k.call.deps.Recordings.Done(f, Recorded{ID: k.id, Format: "wav", Duration: lasts}, err)
	}
	if err != nil {
		k.call.log.Warn("call: the clip of an answer is not kept", "call", k.call.spec.ID, "err", err)
		return nil
	}
	return &Clip{k.id, lasts.Milliseconds()}
}

func (k *clip) write(f *os.File) error {
	w, err := sound.NewWAVWriter(f, 1)
	if err != nil {
		return err
	}
	if err := w.WritePCM(k.pcm); err != nil {
		return err
	}
	return w.Flush()
}
