package campaign

import "time"

// bucket is a token bucket that holds a quarter of a second's worth of dials, at
// least one: a trunk that counts by the second sees no more than it allows. A clock that steps back refills nothing; one that steps forward fills
// it once.
type bucket struct {
	tokens float64
	at     time.Time
	rate   float64
}

// ready refills the bucket and reports whether a dial may begin; 0 a second is
// no limit.
func (b *bucket) ready(now time.Time, perSecond float64) bool {
	if perSecond <= 0 {
		b.rate = 0
		return true
	}
	full := max(perSecond/4, 1)
	switch passed := now.Sub(b.at); {
	case b.at.IsZero() || b.rate == 0:
		b.tokens = 1 // no burst at the start
	case passed > 0:
		b.tokens = min(full, b.tokens+passed.Seconds()*perSecond)
	}
	b.at, b.rate = now, perSecond
	return b.tokens >= 1-1e-9
}

func (b *bucket) spend() { b.tokens-- }

// wait is how long until the next token.
func (b *bucket) wait() time.Duration {
	if b.rate <= 0 || b.tokens >= 1 {
		return 0
	}
	return time.Duration((1-b.tokens)/b.rate*float64(time.Second)) + 1 // never 0: rounding must not stop the clock
}
