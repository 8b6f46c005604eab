package sdp

// Direction says who sends audio, from the point of view of the side that
// states it (RFC 8866 §6.7).
type Direction uint8

// The four directions; the zero value is the default of SDP.
const (
	SendRecv Direction = iota
	SendOnly
	RecvOnly
	Inactive
)

var directionNames = [...]string{"sendrecv", "sendonly", "recvonly", "inactive"}

// String is the name of the SDP attribute.
func (d Direction) String() string {
	if int(d) < len(directionNames) {
		return directionNames[d]
	}
	return "invalid"
}

// Sends reports whether the side sends audio.
func (d Direction) Sends() bool { return d == SendRecv || d == SendOnly }

// Receives reports whether the side wants to hear audio.
func (d Direction) Receives() bool { return d == SendRecv || d == RecvOnly }

// Reverse is the same state seen from the other side.
func (d Direction) Reverse() Direction {
	switch d {
	case SendOnly:
		return RecvOnly
	case RecvOnly:
		return SendOnly
	}
	return d
}

// And is what both d and e permit.
func (d Direction) And(e Direction) Direction {
	return directionOf(d.Sends() && e.Sends(), d.Receives() && e.Receives())
}

func directionOf(sends, receives bool) Direction {
	switch {
	case sends && receives:
		return SendRecv
	case sends:
		return SendOnly
	case receives:
		return RecvOnly
	}
	return Inactive
}

func parseDirection(name string) (Direction, bool) {
	for i, n := range directionNames {
		if n == name {
			return Direction(i), true
		}
	}
	return SendRecv, false
}
