package detect

import (
	"math"

	"github.com/loopstart/loopstart/media/audio"
)

// DTMF in the audio (ITU-T Q.23, Q.24), for peers that send no
// telephone-events. KeyReceiver is pure: it sees samples and counts them.
const (
	toneBlock   = 102   // samples, 12.75 ms: two whole ones lie in any tone of 40 ms
	toneBlocks  = 2     // that agree, before a digit begins
	gapBlocks   = 3     // without it, before it ends: speech on top does not cut it up
	toneFloor   = 25e3  // mean square of a sample below which nothing is a tone: about −41 dBm0
	toneShare   = 0.55  // of the block's energy that must show in the two bins
	tonePurity  = 0.82  // of it that must be in the two frequencies, wherever they are exactly: 15 dB over noise (Q.24), in a whole block
	toneAhead   = 5.0   // power of a frequency over the next one of its group: 7 dB
	twistHigh   = 6.3   // high group over low group: 8 dB
	twistLow    = 10.0  // low group over high group: 10 dB
	toneStray   = 0.025 // by which a frequency may be off: Q.24 takes 1.5 % and refuses 3.5 %
	toneHarmony = 0.12  // of a column's power that may be in its double: voices have more
)

// toneRows and toneColumns are the frequencies of Q.23 in Hz.
var (
	toneRows    = [4]float64{697, 770, 852, 941}
	toneColumns = [4]float64{1209, 1336, 1477, 1633}
	toneKeys    = [4][4]byte{{'1', '2', '3', 'A'}, {'4', '5', '6', 'B'}, {'7', '8', '9', 'C'}, {'*', '0', '#', 'D'}}
)

// KeyTones are the two frequencies of a key.
func KeyTones(key byte) (row, column float64, ok bool) {
	for i, keys := range toneKeys {
		for j, k := range keys {
			if k == key {
				return toneRows[i], toneColumns[j], true
			}
		}
	}
	return 0, 0, false
}

// bin is one frequency that is listened for (Goertzel's algorithm).
type bin struct {
	cos2, cos, sin float64
	turn           float64 // phase that a block of exactly this frequency advances, in radians
	hz             float64
	s1, s2         float64
}

func newBin(hz float64) bin {
	w := 2 * math.Pi * hz / audio.SampleRate
	return bin{cos2: 2 * math.Cos(w), cos: math.Cos(w), sin: math.Sin(w), turn: math.Mod(w*toneBlock, 2*math.Pi), hz: hz}
}

// take ends the block: the power, and the phase at its end.
func (b *bin) take() (power, phase float64) {
	re, im := b.s1-b.s2*b.cos, b.s2*b.sin
	b.s1, b.s2 = 0, 0
	return re*re + im*im, math.Atan2(im, re)
}

// group is four frequencies, stepped together: each alone would wait for its
// own last result.
type group [4]bin

func newGroup(hz [4]float64) (g group) {
	for i := range g {
		g[i] = newBin(hz[i])
	}
	return g
}

func (g *group) listen(pcm []int16) {
	a, b, c, d := &g[0], &g[1], &g[2], &g[3]
	a1, a2, b1, b2, c1, c2, d1, d2 := a.s1, a.s2, b.s1, b.s2, c.s1, c.s2, d.s1, d.s2
	ka, kb, kc, kd := a.cos2, b.cos2, c.cos2, d.cos2
	for _, v := range pcm {
		x := float64(v)
		a1, a2 = x+ka*a1-a2, a1
		b1, b2 = x+kb*b1-b2, b1
		c1, c2 = x+kc*c1-c2, c1
		d1, d2 = x+kd*d1-d2, d1
	}
	a.s1, a.s2, b.s1, b.s2, c.s1, c.s2, d.s1, d.s2 = a1, a2, b1, b2, c1, c2, d1, d2
}

func (g *group) forget() {
	for i := range g {
		g[i].s1, g[i].s2 = 0, 0
	}
}

// loudest ends the block: the strongest frequency, and whether it stands out.
func (g *group) loudest() (at int, power, phase float64, clear bool) {
	var all [4]float64
	for i := range g {
		var p float64
		if all[i], p = g[i].take(); all[i] >= power {
			at, power, phase = i, all[i], p
		}
	}
	clear = true
	for i, p := range all {
		clear = clear && (i == at || p*toneAhead <= power)
	}
	return at, power, phase, clear
}

// KeyReceiver finds DTMF digits in 8 kHz audio.
type KeyReceiver struct {
	rows, columns, doubles group // doubles: of the columns; those of the rows lie among the columns
	n                      int   // samples of the block so far
	energy                 float64

	last   block
	same   int  // blocks in a row with the same key
	Active byte // the digit that has begun
	missed int
	blocks int // of the active digit
}

// block is what one block of audio held.
type block struct {
	key                 byte // 0: no tone
	whole               bool // with the block before, the tone is there all the time
	low, high           float64
	lowPhase, highPhase float64
	energy              float64
}

func NewKeyReceiver() *KeyReceiver {
	t := &KeyReceiver{rows: newGroup(toneRows), columns: newGroup(toneColumns)}
	double := toneColumns
	for i := range double {
		double[i] *= 2
	}
	t.doubles = newGroup(double)
	return t
}

// KeyNews is what a piece of audio told: at most one digit of it begins and one
// ends in 20 ms.
type KeyNews struct {
	Began, Ended byte
	DurationMs   int // of the ended one
}

// Feed takes received samples in their order.
func (t *KeyReceiver) Feed(pcm []int16) (news KeyNews) {
	for len(pcm) > 0 {
		n := min(len(pcm), toneBlock-t.n)
		t.listen(pcm[:n])
		pcm = pcm[n:]
		if t.n += n; t.n == toneBlock {
			t.decide(&news)
		}
	}
	return news
}

func (t *KeyReceiver) listen(pcm []int16) {
	// Whole numbers: a sum of floating ones would wait for itself at each sample.
	sum := int64(0)
	for _, v := range pcm {
		sum += int64(v) * int64(v)
	}
	t.energy += float64(sum)
	if t.energy < toneFloor*toneBlock/8 && t.Active == 0 {
		return // silence costs no filters: a tone is louder before an eighth of its block is over
	}
	t.rows.listen(pcm)
	t.columns.listen(pcm)
	t.doubles.listen(pcm)
}

// decide ends a block.
func (t *KeyReceiver) decide(news *KeyNews) {
	now := t.judge()
	key := now.key
	switch {
	case key == 0:
		t.same = 0
	case key == t.last.key && now.whole:
		t.same++
	default:
		t.same = 1
	}
	t.last, t.n, t.energy = now, 0, 0
	switch {
	case t.Active != 0 && key == t.Active:
		t.blocks += t.missed + 1
		t.missed = 0
	case t.Active != 0:
		if t.missed++; t.missed >= gapBlocks || t.same >= toneBlocks {
			news.Ended, news.DurationMs = t.Active, t.blocks*toneBlock*1000/audio.SampleRate
			t.Active = 0
		}
	}
	if t.Active == 0 && t.same >= toneBlocks {
		t.Active, t.blocks, t.missed = key, t.same, 0
		news.Began = t.Active
	}
}

// Skip forgets the block that is not complete, for audio is missing.
func (t *KeyReceiver) Skip() {
	t.forget()
	t.n, t.energy, t.last.key = 0, 0, 0
	t.same = 0
}

// forget empties the filters.
func (t *KeyReceiver) forget() {
	t.rows.forget()
	t.columns.forget()
	t.doubles.forget()
}

// Stop ends a digit because no more audio comes.
func (t *KeyReceiver) Stop() (news KeyNews) {
	if t.Active != 0 {
		news.Ended, news.DurationMs = t.Active, t.blocks*toneBlock*1000/audio.SampleRate
	}
	t.Active = 0
	t.Skip()
	return news
}

// judge reads the block that is complete. What one block cannot tell, the
// exact frequencies and how much of it the tone fills, shows from the second
// one on.
func (t *KeyReceiver) judge() block {
	if t.energy < toneFloor*toneBlock {
		t.forget()
		return block{energy: t.energy}
	}
	row, low, lowPhase, clearRow := t.rows.loudest()
	column, high, highPhase, clearColumn := t.columns.loudest()
	double, _ := t.doubles[column].take()
	for i := range t.doubles {
		t.doubles[i].take()
	}
	b := block{low: low, high: high, lowPhase: lowPhase, highPhase: highPhase, energy: t.energy}
	if !clearRow || !clearColumn || high > low*twistHigh || low > high*twistLow ||
		double > toneHarmony*high || b.share(1, 1) < toneShare {
		return b
	}
	key := toneKeys[row][column]
	if key == t.last.key {
		offLow, offHigh := stray(&t.rows[row], t.last.lowPhase, lowPhase), stray(&t.columns[column], t.last.highPhase, highPhase)
		lost, lostHigh := leak(offLow), leak(offHigh)
		if math.Abs(offLow) > toneStray*toneRows[row] || math.Abs(offHigh) > toneStray*toneColumns[column] ||
			b.share(lost, lostHigh) < tonePurity {
			return b
		}
		b.whole = t.last.share(lost, lostHigh) >= tonePurity // else it began within the last one
	}
	b.key = key
	return b
}

// share is the part of the block's energy that is in its two frequencies, when
// that much of each shows in its bin.
func (b block) share(low, high float64) float64 {
	const scale = 2.0 / toneBlock // of a bin's power to the energy of its tone
	return (b.low/low + b.high/high) * scale / b.energy
}

// stray is by how many Hz the frequency is off, by the phase of two blocks in a
// row.
func stray(b *bin, before, after float64) float64 {
	d := math.Mod(after-before-b.turn, 2*math.Pi)
	switch {
	case d > math.Pi:
		d -= 2 * math.Pi
	case d < -math.Pi:
		d += 2 * math.Pi
	}
	return d / (2 * math.Pi) * audio.SampleRate / toneBlock
}

// leak is the part of a tone's power that a bin sees which is off by so many Hz.
func leak(hz float64) float64 {
	x := math.Pi * hz * toneBlock / audio.SampleRate
	if x == 0 {
		return 1
	}
	return math.Pow(math.Sin(x)/x, 2)
}
