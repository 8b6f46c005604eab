package testrun

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/runtime/message"
)

// menus counts over a whole run which choices of which menu were taken.
type menus struct {
	mu    sync.Mutex
	lines map[string]*Menu
}

// Menu is one menu of a script with how often each way out was taken.
type Menu struct {
	Place   string         `json:"place"`   // file:line
	Choices map[string]int `json:"choices"` // by what to press
	Other   map[string]int `json:"other"`   // timeout, invalid
}

// Missed are the choices that no test has taken.
func (m Menu) Missed() []string {
	out := []string{}
	for _, c := range slices.Sorted(maps.Keys(m.Choices)) {
		if m.Choices[c] == 0 {
			out = append(out, c)
		}
	}
	return out
}

func newMenus() *menus { return &menus{lines: map[string]*Menu{}} }

// asked notes a menu and returns its place.
func (m *menus) asked(at string, choices []string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	place := lineOf(at)
	menu := m.lines[place]
	if menu == nil {
		menu = &Menu{Place: place, Choices: map[string]int{}, Other: map[string]int{}}
		m.lines[place] = menu
	}
	for _, c := range choices {
		menu.Choices[c] += 0
	}
	return place
}

func (m *menus) taken(place, choice, reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	menu := m.lines[place]
	if choice != "" {
		menu.Choices[choice]++
	} else if reason != "" {
		menu.Other[reason]++
	}
}

// list is all menus that tests have reached, by place.
func (m *menus) list() []Menu {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := []Menu{}
	for _, place := range slices.Sorted(maps.Keys(m.lines)) {
		out = append(out, *m.lines[place])
	}
	return out
}

// lineOf is file:line of file:line:col.
func lineOf(at string) string {
	if i := strings.LastIndexByte(at, ':'); i > 0 && strings.Count(at, ":") > 1 {
		return at[:i]
	}
	return at
}

// asking is a menu whose answer is not there yet.
type asking struct {
	call string
	seq  uint32
}

// Asked implements engine.Witness.
func (s *stage) Asked(c *call.Call, seq uint32, r message.Request) {
	if r.Method != "call.menu" {
		return
	}
	var o struct {
		Choices []string `json:"choices"`
	}
	if json.Unmarshal(r.Args, &o) != nil {
		return
	}
	place := s.menus.asked(r.At, o.Choices)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asking == nil {
		s.asking = map[asking]string{}
	}
	s.asking[asking{c.ID(), seq}] = place
}

// Answered implements engine.Witness.
func (s *stage) Answered(c *call.Call, seq uint32, value any, err error) {
	s.mu.Lock()
	place, ok := s.asking[asking{c.ID(), seq}]
	delete(s.asking, asking{c.ID(), seq})
	s.mu.Unlock()
	if !ok || err != nil {
		return
	}
	body, err := json.Marshal(value)
	var o struct{ Choice, Reason string }
	if err == nil && json.Unmarshal(body, &o) == nil {
		s.menus.taken(place, o.Choice, o.Reason)
	}
}
