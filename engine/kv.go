package engine

import (
	corehost "github.com/loopstart/loopstart/stdlib/core/host"
	"github.com/loopstart/loopstart/store"
)

// kv is the store as loopstart:core sees it.
type kv struct{ *store.Store }

// List implements corehost.KV.
func (k kv) List(prefix string, limit int, after string) ([]corehost.Item, string, error) {
	items, next, err := k.Store.List(prefix, limit, after)
	out := make([]corehost.Item, len(items))
	for i, it := range items {
		out[i] = corehost.Item(it)
	}
	return out, next, err
}

var _ corehost.KV = kv{}
