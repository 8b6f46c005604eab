package call

// RingTone is the ringback a party hears while others ring.
const RingTone = "tone:425/1s,silence/4s"

// Waiting is what somebody hears who waits for another: the music that was
// chosen, and a ring tone where none was. Only chosen music is heard once more
// when a phone holds later: what rings there would be taken for another call.
type Waiting struct {
	Music  []Part
	Silent bool // nothing of ours is heard
}

// sounds is what to play; none with Silent.
func (w Waiting) sounds() []Part {
	switch {
	case w.Silent:
		return nil
	case len(w.Music) == 0:
		return []Part{{Play: RingTone}}
	}
	return w.Music
}
