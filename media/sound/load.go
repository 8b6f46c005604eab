package sound

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/audio"
)

// LoadOptions says what is done to audio after decoding.
type LoadOptions struct {
	Normalise bool // active level to −20 dBFS, peaks under −3 dBFS
	Trim      bool // leading and trailing silence down to 30 and 80 ms
}

// loadChunk is how many samples are decoded between looks at the context.
const loadChunk = 4096

// decodeAudio reads one file. kind is "wav", "mp3", "ogg" or ""; it counts only when
// the bytes do not tell.
func decodeAudio(ctx context.Context, in io.Reader, kind string, longest time.Duration, opts LoadOptions) (*Prompt, error) {
	src, err := openSource(in, kind)
	if err != nil {
		return nil, undecodable(err)
	}
	pcm, wide, err := drain(ctx, src, int(longest*audio.SampleRate/time.Second))
	if err != nil {
		return nil, err
	}
	if len(pcm) == 0 {
		return nil, undecodable(errors.New("there is no audio in it"))
	}
	if n := min(len(pcm), len(wide)/2); n > 0 {
		pcm, wide = pcm[:n], wide[:2*n]
	} else {
		wide = nil // none, or less than one narrow sample
	}
	if opts.Trim {
		from, to := trimTo(pcm)
		pcm = cutOut(pcm, from, to)
		if len(wide) > 0 {
			wide = cutOut(wide, 2*from, 2*to)
		}
	}
	if opts.Normalise {
		gain := gainOf(pcm)
		amplify(pcm, pcm, gain)
		amplify(wide, wide, gain)
	}
	p := NewPrompt(exact(pcm))
	if len(wide) > 0 {
		p.wide = exact(wide)
	}
	return p, nil
}

// wideLongest is the longest audio that is kept at 16 kHz too; music on hold of
// half an hour would take three times its memory.
const wideLongest = 5 * 60 * audio.WideRate // samples

// exact drops spare capacity, because prompts live long.
func exact(pcm []int16) []int16 {
	if cap(pcm) == len(pcm) {
		return pcm
	}
	return append(make([]int16, 0, len(pcm)), pcm...)
}

// openSource picks the reader.
func openSource(in io.Reader, kind string) (source, error) {
	r := bufio.NewReaderSize(in, 1<<14)
	if told := sniff(r); told != "" || kind == "" {
		kind = cmp.Or(told, "this file")
	}
	switch kind {
	case "wav":
		return newWAVReader(r)
	case "mp3":
		return newMP3Reader(r)
	case "ogg":
		return newOggReader(r)
	}
	return nil, fmt.Errorf("%s is neither WAV, MP3 nor Opus in Ogg", fault.Printable(kind))
}

// sniff names the format by its first bytes, "" when they do not tell.
func sniff(r *bufio.Reader) string {
	b, _ := r.Peek(12)
	has := func(at int, magic string) bool {
		return len(b) >= at+len(magic) && string(b[at:at+len(magic)]) == magic
	}
	switch {
	case len(b) == 0:
		return "an empty file"
	case has(8, "WAVE"):
		return "wav"
	case has(0, "OggS"):
		return "ogg"
	case has(0, "fLaC"):
		return "FLAC"
	case has(4, "ftyp"):
		return "MP4/M4A"
	case has(0, "ID3"), bytes.IndexByte(b, 0xFF) == 0:
		return "mp3"
	}
	return ""
}

// funnel takes a stream to one of the two rates.
type funnel struct {
	filter *audio.Resampler // nil: it is there already
	buf    []float32
	pcm    []int16
}

func newFunnel(target, rate int) (*funnel, error) {
	filter, err := audio.NewResamplerTo(target, rate)
	return &funnel{filter: filter}, err
}

func (f *funnel) take(chunk []float32) {
	if f.filter != nil {
		f.buf = f.filter.Process(f.buf[:0], chunk)
		chunk = f.buf
	}
	f.pcm = appendRounded(f.pcm, chunk)
}

func (f *funnel) end() []int16 {
	if f.filter != nil {
		f.pcm = appendRounded(f.pcm, f.filter.Flush(nil))
	}
	return f.pcm
}

// drain decodes, resamples and rounds up to limit samples at 8 kHz; wide is the
// same at 16 kHz, if there is more in it and it is not too long.
func drain(ctx context.Context, src source, limit int) (pcm, wide []int16, err error) {
	narrow, err := newFunnel(audio.SampleRate, src.rate())
	if err != nil {
		return nil, nil, undecodable(err)
	}
	var broad *funnel
	if src.rate() >= audio.WideRate {
		if broad, err = newFunnel(audio.WideRate, src.rate()); err != nil {
			return nil, nil, undecodable(err)
		}
	}
	chunk := make([]float32, loadChunk)
	for {
		if err := ctx.Err(); err != nil {
			return nil, nil, fmt.Errorf("media: load: %w", err)
		}
		n, readErr := src.read(chunk)
		narrow.take(chunk[:n])
		if broad != nil {
			if broad.take(chunk[:n]); len(broad.pcm) > wideLongest {
				broad = nil
			}
		}
		if len(narrow.pcm) > limit {
			return nil, nil, tooLong(limit)
		}
		if errors.Is(readErr, io.EOF) {
			break
		}
		if readErr != nil {
			return nil, nil, undecodable(readErr)
		}
	}
	if broad != nil {
		wide = broad.end()
	}
	return narrow.end(), wide, nil
}

func appendRounded(pcm []int16, in []float32) []int16 {
	for _, v := range in {
		pcm = append(pcm, int16(math.Round(float64(max(min(v, math.MaxInt16), math.MinInt16)))))
	}
	return pcm
}

const formatHint = "WAV (PCM, float, A-law, mu-law), MP3 and Opus in Ogg can be played; convert with: ffmpeg -i INPUT -ar 16000 -ac 1 OUTPUT.wav"

func undecodable(cause error) error {
	return fault.New(fault.Media, "media: the audio cannot be decoded: %w", cause).WithHint(formatHint)
}

func tooLong(samples int) error {
	return fault.New(fault.Limit, "media: the audio is longer than %s", time.Duration(samples)*time.Second/audio.SampleRate).
		WithHint("split it, or play it as several files")
}
