package call

import "strings"

// keyWatch finds the sequences that mean something among the keys of a talk.
type keyWatch struct {
	call     *Call
	hangupOn string
	keys     map[string]uint32
	pressed  string
	quiet    *timer
}

// press takes a key; hit reports that seq is complete.
func (k *keyWatch) press(d byte) (seq string, hit bool) {
	k.pressed += string(d)
	k.quiet.stop()
	k.quiet = k.call.after(DefaultInterDigit, func() { k.pressed = "" })
	for k.pressed != "" {
		hit, open := k.lookup(k.pressed)
		if hit {
			seq, k.pressed = k.pressed, ""
			return seq, true
		}
		if open {
			return "", false
		}
		k.pressed = k.pressed[1:]
	}
	return "", false
}

func (k *keyWatch) lookup(seq string) (hit, open bool) {
	check := func(want string) {
		if want == "" {
			return
		}
		hit = hit || want == seq
		open = open || strings.HasPrefix(want, seq)
	}
	check(k.hangupOn)
	for want := range k.keys {
		check(want)
	}
	return hit, open
}
