package testrun

import (
	"context"
	"sync"

	"github.com/loopstart/loopstart/scripts"
)

// buildCache builds each script once per run: every test has an engine of its
// own, and they all serve the same scripts.
type buildCache struct {
	next scripts.Builder
	mu   sync.Mutex
	made map[string]scripts.BuildResult
}

func newBuildCache(next scripts.Builder) *buildCache {
	return &buildCache{next: next, made: map[string]scripts.BuildResult{}}
}

// Build implements scripts.Builder.
func (b *buildCache) Build(ctx context.Context, r scripts.BuildRequest) (scripts.BuildResult, error) {
	b.mu.Lock()
	res, ok := b.made[r.Entry]
	b.mu.Unlock()
	if ok {
		return res, nil
	}
	res, err := b.next.Build(ctx, r)
	if err == nil {
		b.mu.Lock()
		b.made[r.Entry] = res
		b.mu.Unlock()
	}
	return res, err
}
