package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Notice is something `check` tells that is no error.
type Notice struct {
	Place   string // loopstart.yaml:LINE:COL; may be empty
	Message string
}

func (n Notice) String() string {
	if n.Place == "" {
		return n.Message
	}
	return n.Place + ": " + n.Message
}

// Notices lists the keys that are set but whose part is not in this version,
// and the variables that `dev` did without.
func (c *Config) Notices() []Notice { return slices.Clone(c.notices) }

// later notes a key whose part is not built (tag later), or a word of it
// (tag unbuilt).
func (d *decoder) later(path string, tag reflect.StructTag, n *node, v reflect.Value) {
	if part := tag.Get("later"); part != "" && !empty(n) {
		d.notices = append(d.notices, Notice{d.where(d.places[path]), path + ": " + part + " not in this version"})
	}
	unbuilt := strings.Fields(tag.Get("unbuilt"))
	if len(unbuilt) == 0 {
		return
	}
	var words []string
	switch value := v.Interface().(type) {
	case string:
		words = []string{value}
	case []string:
		words = value
	case []Listener:
		for _, l := range value {
			words = append(words, l.Transport)
		}
	}
	for _, w := range words {
		if slices.Contains(unbuilt, w) {
			d.notices = append(d.notices, Notice{d.where(n.at), fmt.Sprintf("%s: %s is not in this version", path, w)})
		}
	}
}

func empty(n *node) bool {
	return n.kind == nullNode || n.kind != scalarNode && len(n.items)+len(n.entries) == 0
}
