package phone

import (
	"encoding/binary"
	"fmt"
)

// ReadWAV takes the samples of a 16 bit PCM file apart into its channels.
func ReadWAV(b []byte) (rate int, channels [][]int16, err error) {
	if len(b) < 12 || string(b[:4]) != "RIFF" || string(b[8:12]) != "WAVE" {
		return 0, nil, fmt.Errorf("phone: no WAV file")
	}
	if n := int(binary.LittleEndian.Uint32(b[4:])) + 8; n != len(b) {
		return 0, nil, fmt.Errorf("phone: WAV header says %d bytes of %d", n, len(b))
	}
	count := 0
	for b = b[12:]; len(b) >= 8; {
		id, n := string(b[:4]), int(binary.LittleEndian.Uint32(b[4:]))
		b = b[8:]
		if n > len(b) {
			return 0, nil, fmt.Errorf("phone: chunk %q of %d bytes is cut off", id, n)
		}
		switch id {
		case "fmt ":
			count, rate = int(binary.LittleEndian.Uint16(b[2:])), int(binary.LittleEndian.Uint32(b[4:]))
			if f, bits := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[14:]); f != 1 || bits != 16 {
				return 0, nil, fmt.Errorf("phone: format %d of %d bits", f, bits)
			}
		case "data":
			if count == 0 {
				return 0, nil, fmt.Errorf("phone: data before fmt")
			}
			channels = make([][]int16, count)
			for i := 0; i+2 <= n; i += 2 {
				ch := i / 2 % count
				channels[ch] = append(channels[ch], int16(binary.LittleEndian.Uint16(b[i:])))
			}
		}
		b = b[n+n%2:]
	}
	return rate, channels, nil
}
