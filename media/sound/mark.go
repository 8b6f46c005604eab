package sound

import "github.com/loopstart/loopstart/media/audio"

// A mark is a number inside the audio: one frame of samples that are all as
// loud, whose signs are the number's bits. It survives G.711, transcoding and
// a change of volume, so that a phone that hears a recording, a bridge or
// early media knows what it hears. Tests in virtual time speak with marked
// audio; sessions look for marks only with SessionOptions.Marks.
const (
	markLevel    = 8000
	markLead     = 0xB5C9 // 16 bits before the number, so that tones are no marks
	markBits     = 64     // lead, number, and the number's check
	markTolerant = 8      // samples differ from the mean by at most an eighth
)

// MarkFrame is a frame that carries a number.
func MarkFrame(number uint32) []int16 {
	pcm := make([]int16, audio.FrameSamples)
	word := markWord(number)
	for i := range pcm {
		pcm[i] = -markLevel
		if word>>(uint(i)%markBits)&1 == 1 {
			pcm[i] = markLevel
		}
	}
	return pcm
}

// markWord is the 64 bits of a mark: lead, number, check.
func markWord(number uint32) uint64 {
	check := uint16(number>>16) ^ uint16(number) ^ 0x5AA5
	return uint64(markLead) | uint64(number)<<16 | uint64(check)<<48
}

// MarkIn is the number of a frame, if it is a mark.
func MarkIn(pcm []int16) (number uint32, ok bool) {
	if len(pcm) < audio.FrameSamples {
		return 0, false
	}
	mean := audio.MeanLevel(pcm[:markBits])
	if mean < audio.VoiceLevel {
		return 0, false
	}
	var word uint64
	for i, s := range pcm[:markBits] {
		if d := int(max(s, -s)) - mean; max(d, -d) > mean/markTolerant {
			return 0, false
		}
		if s > 0 {
			word |= 1 << uint(i)
		}
	}
	number = uint32(word >> 16)
	return number, word == markWord(number)
}

// Marked is the prompt with a number in the first of every so many frames, the
// i-th of which gets number(i): who joins late knows what he hears, too. Audio
// that is shorter than a frame stays as it is.
func (p *Prompt) Marked(every int, number func(i int) uint32) *Prompt {
	pcm := append([]int16(nil), p.pcm...)
	for i := 0; i*every*audio.FrameSamples+audio.FrameSamples <= len(pcm); i++ {
		copy(pcm[i*every*audio.FrameSamples:], MarkFrame(number(i)))
	}
	return &Prompt{pcm: pcm, endless: p.endless}
}

// FindMarks are the numbers of all marks in a stretch of audio, wherever they
// begin, each once in a row.
func FindMarks(pcm []int16) (out []uint32) {
	for i := 0; i+audio.FrameSamples <= len(pcm); i++ {
		if s := pcm[i]; s < audio.VoiceLevel && s > -audio.VoiceLevel {
			continue
		}
		if n, ok := MarkIn(pcm[i : i+audio.FrameSamples]); ok && (len(out) == 0 || out[len(out)-1] != n) {
			out = append(out, n)
		}
	}
	return out
}
