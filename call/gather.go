package call

import "strings"

// The pure state machine behind gather and menu. It knows digits, prompts and
// one timer; the leg carries out its effects. See testdata/gather for
// transcripts.

// digitPlan says which sequences of keys end a collection.
type digitPlan struct {
	min, max int      // for gather; max 0 means no upper bound
	finishOn string   // keys that end the collection and are not part of it
	choices  []string // for menu: patterns in which X stands for any digit
	repeat   string   // for menu: the key that plays the prompt again
}

// fit is how well the digits so far fit a plan.
type fit uint8

const (
	fitNone    fit = iota // nothing can come of it
	fitPartial            // more digits are needed
	fitEither             // enough, but a longer entry is possible
	fitFull               // enough, and nothing longer is possible
)

func (p *digitPlan) fit(digits string) fit {
	if p.choices == nil {
		return p.fitLength(len(digits))
	}
	match, longer := false, false
	for _, pattern := range p.choices {
		switch {
		case !matchesPrefix(pattern, digits):
		case len(pattern) == len(digits):
			match = true
		default:
			longer = true
		}
	}
	return fitOf(match, longer)
}

func (p *digitPlan) fitLength(n int) fit {
	match := n >= p.min
	longer := p.max == 0 || n < p.max
	if p.max > 0 && n > p.max {
		return fitNone
	}
	return fitOf(match, longer)
}

func fitOf(match, longer bool) fit {
	switch {
	case match && longer:
		return fitEither
	case match:
		return fitFull
	case longer:
		return fitPartial
	}
	return fitNone
}

// finishes reports whether d ends the entry; in a menu only where no choice
// could go on with that key.
func (p *digitPlan) finishes(digits string, d byte) bool {
	if strings.IndexByte(p.finishOn, d) < 0 {
		return false
	}
	return p.choices == nil || p.fit(digits+string(d)) == fitNone
}

// matchesPrefix reports whether digits could be the beginning of pattern.
func matchesPrefix(pattern, digits string) bool {
	if len(digits) > len(pattern) {
		return false
	}
	for i := 0; i < len(digits); i++ {
		if pattern[i] == digits[i] {
			continue
		}
		if (pattern[i] != 'X' && pattern[i] != 'x') || digits[i] < '0' || digits[i] > '9' {
			return false
		}
	}
	return true
}

// choice is the most literal pattern that digits fit whole, or "".
func (p *digitPlan) choice(digits string) string {
	best, wild := "", len(digits)+1
	for _, pattern := range p.choices {
		if len(pattern) != len(digits) || !matchesPrefix(pattern, digits) {
			continue
		}
		if n := strings.Count(strings.ToUpper(pattern), "X"); n < wild {
			best, wild = pattern, n
		}
	}
	return best
}

// gatherReason is why a collection ended.
type gatherReason string

const (
	reasonDigits  gatherReason = "digits"
	reasonFinish  gatherReason = "finish"
	reasonTimeout gatherReason = "timeout"
	reasonInvalid gatherReason = "invalid"
	reasonSpeech  gatherReason = "speech"
)

// promptKind is which of its prompts a collection wants to hear.
type promptKind uint8

const (
	promptMain promptKind = iota
	promptInvalid
	promptTimeout
)

func (k promptKind) String() string { return [...]string{"prompt", "invalid", "timeout"}[k] }

// gatherEffect is one thing the leg must do for the machine, in order.
type gatherEffect struct {
	play  *promptKind // start this prompt (invalid and timeout are followed by the main one)
	stop  bool        // stop the prompt that plays
	timer string      // "first", "digit", or "off"
	done  gatherReason
}

// gatherState is the machine's state.
type gatherState struct {
	plan     digitPlan
	attempts int
	bargeIn  bool

	attempt  int // from 1
	playing  bool
	digits   string
	held     string // keys pressed while a prompt without barge-in plays
	finished bool
}

// start begins the attempt after those already used, with the keys typed
// ahead. After a refusal by validate the invalid prompt comes first.
func (g *gatherState) start(typed string, used int, refused bool) []gatherEffect {
	g.attempt = used + 1
	first := promptMain
	if refused {
		first = promptInvalid
	}
	if typed == "" || !g.bargeIn || refused {
		g.held = typed
		return g.prompt(first)
	}
	var out []gatherEffect
	for i := 0; i < len(typed) && !g.finished; i++ {
		out = append(out, g.digit(typed[i])...)
		g.held = typed[i+1:]
	}
	return out
}

// rest is what was typed beyond the end of the collection.
func (g *gatherState) rest() string { return g.held }

func (g *gatherState) prompt(k promptKind) []gatherEffect {
	g.playing, g.digits = true, ""
	return []gatherEffect{{timer: "off"}, {play: &k}}
}

// promptEnded tells that the prompt was heard to its end.
func (g *gatherState) promptEnded() []gatherEffect {
	if g.finished || !g.playing {
		return nil
	}
	g.playing = false
	held := g.held
	g.held = ""
	out := []gatherEffect{{timer: "first"}}
	for i := 0; i < len(held) && !g.finished; i++ {
		out = append(out, g.digit(held[i])...)
		if g.finished || g.playing {
			g.held = held[i+1:]
			break
		}
	}
	return out
}

// digit takes one key.
func (g *gatherState) digit(d byte) []gatherEffect {
	if g.finished {
		g.held += string(d)
		return nil
	}
	var out []gatherEffect
	if g.playing {
		if !g.bargeIn {
			g.held += string(d)
			return nil
		}
		g.playing = false
		out = append(out, gatherEffect{stop: true})
	}
	return append(out, g.take(d)...)
}

func (g *gatherState) take(d byte) []gatherEffect {
	if g.plan.repeat != "" && g.digits == "" && g.plan.repeat == string(d) {
		return g.prompt(promptMain)
	}
	if g.plan.finishes(g.digits, d) {
		return g.finish()
	}
	g.digits += string(d)
	switch g.plan.fit(g.digits) {
	case fitFull:
		return g.end(reasonDigits)
	case fitNone:
		return g.again(promptInvalid, reasonInvalid)
	}
	return []gatherEffect{{timer: "digit"}}
}

// finish handles the finishing key.
func (g *gatherState) finish() []gatherEffect {
	switch f := g.plan.fit(g.digits); {
	case g.plan.choices != nil && (f == fitEither || f == fitFull):
		return g.end(reasonDigits)
	case g.plan.choices == nil && (f == fitEither || f == fitFull || g.digits == "" && g.plan.min <= 1):
		return g.end(reasonFinish)
	}
	return g.again(promptInvalid, reasonInvalid)
}

// timeout tells that the timer has run out.
func (g *gatherState) timeout() []gatherEffect {
	if g.finished || g.playing {
		return nil
	}
	if g.digits == "" {
		return g.again(promptTimeout, reasonTimeout)
	}
	if g.plan.fit(g.digits) == fitEither {
		return g.end(reasonDigits)
	}
	if g.plan.choices != nil {
		return g.again(promptInvalid, reasonInvalid)
	}
	return g.again(promptTimeout, reasonTimeout)
}

// again starts the next attempt, or ends with the reason.
func (g *gatherState) again(k promptKind, why gatherReason) []gatherEffect {
	if g.attempt >= g.attempts {
		return g.end(why)
	}
	g.attempt++
	return g.prompt(k)
}

func (g *gatherState) end(why gatherReason) []gatherEffect {
	g.finished = true
	return []gatherEffect{{timer: "off"}, {done: why}}
}
