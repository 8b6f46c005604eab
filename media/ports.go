package media

import (
	"errors"
	"sync"
	"sync/atomic"
)

// errPortTaken: another process has the port.
var errPortTaken = errors.New("address already in use")

// portPool hands out the even ports of a range, the longest unused one first,
// so that late packets of an old call do not meet a new one.
type portPool struct {
	mu    sync.Mutex
	free  []uint16 // ring
	head  int
	count int
	all   int
	taken atomic.Uint64 // ports that were found in use by somebody else
}

func newPortPool(low, high uint16) *portPool {
	p := &portPool{}
	for port := (uint32(low) + 1) &^ 1; port+1 <= uint32(high); port += 2 {
		p.free = append(p.free, uint16(port))
	}
	p.count, p.all = len(p.free), len(p.free)
	return p
}

func (p *portPool) size() int { return p.all }

func (p *portPool) inUse() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all - p.count
}

func (p *portPool) take() (uint16, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count == 0 {
		return 0, false
	}
	port := p.free[p.head]
	p.head = (p.head + 1) % p.all
	p.count--
	return port, true
}

func (p *portPool) give(port uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free[(p.head+p.count)%p.all] = port
	p.count++
}
