package engine

import (
	"strings"
	"sync"

	"github.com/loopstart/loopstart/config"
)

// labels remembers which caller numbers were warned of, so that a thousand
// calls make one line. It has as many entries as trunks have numbers.
type labels struct {
	mu     sync.Mutex
	warned map[string]bool
}

// unlabelled lists, of the numbers that a dial may present, those for which
// numbers of the configuration names no owner.
func unlabelled(cfg *config.Config, from, trunk string) (list []string) {
	candidates := []string{from}
	if from == "" {
		candidates = nil
		for _, t := range cfg.Trunks {
			if trunk == "" || t.Name == trunk {
				candidates = append(candidates, t.From...)
			}
		}
	}
	for _, n := range candidates {
		if l, ok := cfg.Number(n); !ok || l.Label == "" {
			list = append(list, n)
		}
	}
	return list
}

// warnUnlabelled says once per number that a call leaves with a caller number
// nobody has signed for. Numbers of ours are not secret.
func (e *Engine) warnUnlabelled(what, from, trunk string) (warning string) {
	list := unlabelled(e.Config(), from, trunk)
	if len(list) == 0 || e.opts.World != nil {
		return ""
	}
	warning = "the caller number " + strings.Join(list, ", ") + " has no label: add its name and contract to numbers in loopstart.yaml"
	e.labels.mu.Lock()
	defer e.labels.mu.Unlock()
	fresh := false
	for _, n := range list {
		if e.labels.warned == nil {
			e.labels.warned = map[string]bool{}
		}
		fresh = fresh || !e.labels.warned[n]
		e.labels.warned[n] = true
	}
	if fresh {
		e.log.Warn("a caller number has no label", "used_by", what, "numbers", len(list), "hint", "numbers in loopstart.yaml; loopstart check lists them")
	}
	return warning
}

// warnOrder warns of an order, in projects that label their numbers at all.
func (e *Engine) warnOrder(ord *order) {
	if cfg := e.Config(); len(cfg.Numbers) > 0 && strings.HasPrefix(ord.To, "+") {
		e.warnUnlabelled("order", ord.From, ord.Trunk)
	}
}
