package sip

import "maps"

// recent is a bounded map that forgets what was not used lately. It has two
// halves; when the newer one is full the older one is dropped. What is used is
// kept in the newer half, so at least limit/2 other keys must come before an
// active one is forgotten. It is not safe for concurrent use.
type recent[K comparable, V any] struct {
	limit        int
	newer, older map[K]V
	dropped      func(K, V) // called for each forgotten key; may be nil
}

func newRecent[K comparable, V any](limit int, dropped func(K, V)) *recent[K, V] {
	return &recent[K, V]{limit: limit, newer: map[K]V{}, dropped: dropped}
}

func (r *recent[K, V]) get(k K) (v V, ok bool) {
	if v, ok = r.newer[k]; ok {
		return v, true
	}
	if v, ok = r.older[k]; ok {
		delete(r.older, k)
		r.put(k, v)
	}
	return v, ok
}

func (r *recent[K, V]) put(k K, v V) {
	if _, ok := r.newer[k]; !ok && len(r.newer) >= r.limit/2 {
		r.turn()
	}
	delete(r.older, k)
	r.newer[k] = v
}

func (r *recent[K, V]) turn() {
	if r.dropped != nil {
		for k, v := range r.older {
			r.dropped(k, v)
		}
	}
	r.older, r.newer = r.newer, map[K]V{}
}

// clear forgets everything, and tells nobody.
func (r *recent[K, V]) clear() { r.newer, r.older = map[K]V{}, nil }

// remove forgets one key, and tells nobody.
func (r *recent[K, V]) remove(k K) {
	delete(r.newer, k)
	delete(r.older, k)
}

// dropIf forgets what matches, and tells nobody.
func (r *recent[K, V]) dropIf(match func(K, V) bool) {
	maps.DeleteFunc(r.newer, match)
	maps.DeleteFunc(r.older, match)
}

func (r *recent[K, V]) size() int { return len(r.newer) + len(r.older) }
