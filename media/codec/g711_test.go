package codec

import "testing"

// quantiser is a companding law written down as in the tables of ITU-T G.711:
// decision values x(n), output values y(n) and a code for each interval, with
// no arithmetic of segments in common with the implementation.
type quantiser struct {
	bitsOfInput int // of the uniform code, sign included
	decisions   []int
	outputs     []int
	positive    func(n int) byte
	negative    func(n int) byte
}

// tableOf continues the decision values from x with the given steps, each used
// count times.
func tableOf(decisions []int, count int, steps ...int) []int {
	for _, step := range steps {
		for range count {
			decisions = append(decisions, decisions[len(decisions)-1]+step)
		}
	}
	return decisions
}

// aLaw is Tables 1a and 1b: 13 bit, 128 intervals a sign, even bits inverted.
func aLaw() quantiser {
	q := quantiser{
		bitsOfInput: 13,
		decisions:   tableOf([]int{0}, 16, 2, 2, 4, 8, 16, 32, 64, 128),
		positive:    func(n int) byte { return byte(0x80|n) ^ 0x55 },
		negative:    func(n int) byte { return byte(n) ^ 0x55 },
	}
	for n := range 128 {
		q.outputs = append(q.outputs, (q.decisions[n]+q.decisions[n+1])/2)
	}
	return q
}

// muLaw is Tables 2a and 2b: 14 bit, all bits inverted.
func muLaw() quantiser {
	d := tableOf([]int{0}, 1, 1)
	d = tableOf(d, 15, 2)
	q := quantiser{
		bitsOfInput: 14,
		decisions:   tableOf(d, 16, 4, 8, 16, 32, 64, 128, 256),
		positive:    func(n int) byte { return byte(0xFF - n) },
		negative:    func(n int) byte { return byte(0x7F - n) },
	}
	for n := range 128 {
		q.outputs = append(q.outputs, (q.decisions[n]+q.decisions[n+1])/2)
	}
	q.outputs[0] = 0
	return q
}

func TestTablesEndWhereG711Says(t *testing.T) {
	a, mu := aLaw(), muLaw()
	if len(a.decisions) != 129 || a.decisions[128] != 4096 || a.outputs[127] != 4032 || a.outputs[0] != 1 {
		t.Errorf("A-law: %d %d", len(a.decisions), a.decisions[128])
	}
	if len(mu.decisions) != 129 || mu.decisions[128] != 8159 || mu.outputs[127] != 8031 || mu.outputs[1] != 2 {
		t.Errorf("mu-law: %d %d", len(mu.decisions), mu.decisions[128])
	}
}

func TestG711SweepOfAllSamplesAndCodes(t *testing.T) {
	for _, tc := range []struct {
		codec *Codec
		law   quantiser
	}{{PCMA, aLaw()}, {PCMU, muLaw()}} {
		t.Run(tc.codec.Name, func(t *testing.T) {
			shift := 16 - tc.law.bitsOfInput
			var code [1]byte
			for v := -32768; v <= 32767; v++ {
				tc.codec.Encode(code[:], []int16{int16(v)})
				if want := tc.law.code(v >> shift); code[0] != want {
					t.Fatalf("sample %d: code %02X, want %02X", v, code[0], want)
				}
			}
			var sample [1]int16
			for n := range 128 {
				for sign, code := range map[int]byte{1: tc.law.positive(n), -1: tc.law.negative(n)} {
					tc.codec.Decode(sample[:], []byte{code})
					if want := sign * tc.law.outputs[n] << shift; int(sample[0]) != want {
						t.Fatalf("code %02X: sample %d, want %d", code, sample[0], want)
					}
				}
			}
		})
	}
}

// code finds the interval by search. Negative numbers count by their one's
// complement, so −1 lies in the interval of 0.
func (q quantiser) code(v int) byte {
	mag, code := v, q.positive
	if v < 0 {
		mag, code = -v-1, q.negative
	}
	n := 0
	for n < 127 && mag >= q.decisions[n+1] {
		n++
	}
	return code(n)
}

func TestG711RoundTripKeepsEveryCode(t *testing.T) {
	for _, c := range []*Codec{PCMA, PCMU} {
		var sample [1]int16
		var code [1]byte
		for i := range 256 {
			c.Decode(sample[:], []byte{byte(i)})
			c.Encode(code[:], sample[:])
			if int(code[0]) != i && !(c == PCMU && i == 0x7F) { // minus zero of mu-law
				t.Errorf("%s: code %02X comes back as %02X", c, i, code[0])
			}
		}
	}
}
