package media

import (
	"testing"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/mediatest"
)

// BenchmarkTranscodeFrame is what a frame costs between two codecs: decoded,
// brought to the other rate, encoded.
func BenchmarkTranscodeFrame(b *testing.B) {
	for _, pair := range [][2]*codec.Codec{{codec.PCMA, codec.G722}, {codec.G722, codec.PCMA}, {codec.PCMA, codec.Opus}, {codec.Opus, codec.PCMA}, {codec.G722, codec.Opus}} {
		from, to := pair[0], pair[1]
		b.Run(from.Name+"-"+to.Name, func(b *testing.B) {
			code, pcm, fitted := make([]byte, codec.MaxPayload), make([]int16, codec.MaxDecoded), make([]int16, 2*codec.MaxDecoded)
			payload := make([]byte, codec.MaxPayload)
			payload = payload[:from.NewEncoder().Encode(payload, mediatest.Sine(440, float64(from.Rate), from.FrameLen(), 9000))]
			d, e, fit := from.NewDecoder(), to.NewEncoder(), new(audio.Fitting)
			b.ReportAllocs()
			for b.Loop() {
				heard := audio.Piece{Samples: pcm[:d.Decode(pcm, payload)], Rate: from.Rate}
				e.Encode(code, fit.To(to.Rate, fitted, heard))
			}
		})
	}
}
