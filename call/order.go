package call

import (
	"cmp"
	"maps"
	"slices"
)

// Legs live in maps; what is done to several of them is done in the order in
// which they were made, so that a timeline and a list of results are the same
// each time.

func byNumber(a, b *Leg) int { return cmp.Compare(a.number, b.number) }

// inOrder is the legs of a map.
func inOrder[V any](m map[*Leg]V) []*Leg { return slices.SortedFunc(maps.Keys(m), byNumber) }

// legsInOrder is the legs of the call.
func (c *Call) legsInOrder() []*Leg { return slices.SortedFunc(maps.Values(c.legs), byNumber) }
