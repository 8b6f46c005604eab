package media

// mediaClock turns the RTP timestamps of a peer, whose clock may run at a
// multiple of 8000 Hz, into units of 1/8000 s that wrap as 32 bit numbers do.
type mediaClock struct {
	ssrc   uint32
	factor uint32
	wire   int64 // the latest timestamp, without its wrapping
}

// units is the timestamp in units of time; factor is ticks per unit.
func (c *mediaClock) units(ssrc, wire, factor uint32) uint32 {
	if factor <= 1 {
		return wire
	}
	if c.ssrc != ssrc || c.factor != factor {
		*c = mediaClock{ssrc: ssrc, factor: factor, wire: int64(wire)}
	}
	c.wire += int64(int32(wire - uint32(c.wire)))
	n := c.wire / int64(factor)
	if c.wire < 0 && c.wire%int64(factor) != 0 {
		n--
	}
	return uint32(n)
}
