package engine

import (
	"slices"
	"strings"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
)

// trunksFor lists the trunks that may carry a dial: the named one, else those
// that may present the caller number, the longest matching destination first,
// then file order (contract §4).
func (e *Engine) trunksFor(cfg *config.Config, number string, r call.DialRequest) ([]*config.Trunk, error) {
	if len(number) > 1+phone.MaxDigits {
		return nil, fault.New(fault.Invalid, "%s has too many digits for a phone number", phone.Mask(number)).WithHint("ITU-T E.164 has %d at most", phone.MaxDigits)
	}
	if r.Trunk != "" {
		return e.namedTrunk(cfg, number, r)
	}
	type candidate struct {
		trunk *config.Trunk
		match int
	}
	var fit []candidate
	from := phone.Normalize(r.From, cfg.Project.Country)
	presents := false
	for i := range cfg.Trunks {
		t := &cfg.Trunks[i]
		n, ok := destination(cfg, t, number)
		if !ok {
			continue
		}
		if from != "" && !slices.Contains(t.From, from) {
			continue
		}
		presents = true
		fit = append(fit, candidate{t, n})
	}
	slices.SortStableFunc(fit, func(a, b candidate) int { return b.match - a.match })
	out := make([]*config.Trunk, 0, len(fit))
	for _, c := range fit {
		if e.mayUse(c.trunk) {
			out = append(out, c.trunk)
		}
	}
	e.restedLast(out)
	switch {
	case len(out) > 0:
		return out, nil
	case len(fit) > 0:
		return nil, e.devRefusal(number, fit[0].trunk.Name)
	case from != "" && !presents:
		return nil, fault.New(fault.Denied, "no trunk may present %s and dial %s", phone.Mask(from), phone.Mask(number)).
			WithHint("add the number to a trunk's from, and the prefix to its destinations")
	}
	return nil, fault.New(fault.Denied, "no trunk may dial %s", phone.Mask(number)).
		WithHint("add its prefix to destinations of a trunk in loopstart.yaml; satellite and premium prefixes need to be named in full")
}

func (e *Engine) namedTrunk(cfg *config.Config, number string, r call.DialRequest) ([]*config.Trunk, error) {
	t, ok := cfg.Trunk(r.Trunk)
	if !ok {
		return nil, fault.New(fault.NotFound, "no trunk %q", r.Trunk).WithHint("trunks are %s", trunkNames(cfg))
	}
	if _, ok := destination(cfg, t, number); !ok {
		return nil, fault.New(fault.Denied, "trunk %s may not dial %s", t.Name, phone.Mask(number)).
			WithHint("add its prefix to trunks.%s.destinations", t.Name)
	}
	from := phone.Normalize(r.From, cfg.Project.Country)
	if from != "" && len(t.From) > 0 && !slices.Contains(t.From, from) {
		return nil, fault.New(fault.Denied, "trunk %s may not present %s", t.Name, phone.Mask(from)).WithHint("add it to trunks.%s.from", t.Name)
	}
	if !e.mayUse(t) {
		return nil, e.devRefusal(number, t.Name)
	}
	return []*config.Trunk{t}, nil
}

// destination is the length of the trunk's longest prefix of number.
func destination(cfg *config.Config, t *config.Trunk, number string) (int, bool) {
	prefixes := t.Destinations
	if len(prefixes) == 0 {
		prefixes = []string{phone.Prefix(cfg.Project.Country)}
	}
	best, ok := 0, false
	for _, p := range prefixes {
		if p != "" && strings.HasPrefix(number, p) && names(p, number) {
			best, ok = max(best, len(p)), true
		}
	}
	return best, ok
}

// costly are prefixes of satellites and of services that the caller pays for:
// where stolen accounts and scripts that can be led astray are made to call.
var costly = []string{
	"+808", "+870", "+871", "+872", "+873", "+874", "+881", "+882", "+883", "+888", "+979", // satellites, international services
	"+1900", "+1976", "+7803", "+7809", "+3389", "+34803", "+34806", "+34807", "+34905", "+39144", "+39166", "+3989",
	"+43900", "+43930", "+449", "+4487", "+49137", "+49900", "+4870", "+375902", "+380900",
}

// names tells whether a prefix may stand for a number: a costly one is never
// meant by a prefix that is shorter than what makes it so.
func names(prefix, number string) bool {
	for _, c := range costly {
		if strings.HasPrefix(number, c) && len(prefix) < len(c) {
			return false
		}
	}
	return true
}

// mayUse tells whether this process dials through the trunk at all: dev does
// so only with --live.
func (e *Engine) mayUse(t *config.Trunk) bool {
	return !e.opts.Dev || e.opts.Live == t.Name
}

func (e *Engine) devRefusal(number, trunk string) error {
	e.log.Info("dev: would have dialled "+phone.Mask(number), "trunk", trunk)
	return fault.New(fault.Denied, "dev does not dial: %s through %s was not called", phone.Mask(number), trunk).
		WithHint("start `loopstart dev --live %s` to dial for real", trunk)
}

func trunkNames(cfg *config.Config) string {
	var names []string
	for _, t := range cfg.Trunks {
		names = append(names, t.Name)
	}
	if len(names) == 0 {
		return "not configured"
	}
	return strings.Join(names, ", ")
}

// mayDialUser applies a calling user's own rights: dial: [users, "+7"].
func (e *Engine) mayDialUser(cfg *config.Config, r call.DialRequest) error {
	return e.mayUserDial(cfg, r, "users")
}

func (e *Engine) mayUserDial(cfg *config.Config, r call.DialRequest, what string) error {
	u, ok := cfg.User(r.User)
	if r.User == "" || !ok {
		return nil
	}
	for _, right := range u.Dial {
		if right == what || right != "users" && strings.HasPrefix(what, right) && names(right, what) {
			return nil
		}
	}
	return fault.New(fault.Denied, "user %s may not dial %s", r.User, phone.Mask(what)).WithHint("see sip.users.%s.dial", r.User)
}
