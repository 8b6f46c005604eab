package media

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/sdp"
)

// Host names in c= lines (RFC 8866 §5.7). The exchange goes on at once; the name
// is looked up beside it, never on a pacer, and until it is known nothing is sent:
// what plays waits, as it does on hold. A name that leads nowhere, or where we
// would not send to, counts as the address that the signalling comes from, where
// that may send audio from anywhere (SessionOptions.Symmetric).

// Limits of looking names up.
const (
	nameWait   = 2 * time.Second
	maxLookups = 64 // at one time, of an engine
)

// Lookup returns the addresses of a host, until the context ends.
type Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

// nameDesk is where the sessions of an engine look names up.
type nameDesk struct {
	lookup  Lookup
	ctx     context.Context
	stop    context.CancelFunc
	wg      sync.WaitGroup
	running atomic.Int64
	refused atomic.Uint64
}

func newNameDesk(lookup Lookup) *nameDesk {
	d := &nameDesk{lookup: lookup}
	d.ctx, d.stop = context.WithCancel(context.Background())
	return d
}

func (d *nameDesk) close() {
	d.stop()
	d.wg.Wait()
}

// find is an address of host to which somebody may send who tells his peer that
// he has the address own himself.
func (d *nameDesk) find(host string, own netip.Addr) (netip.Addr, error) {
	if d.running.Add(1) > maxLookups {
		d.running.Add(-1)
		d.refused.Add(1)
		return netip.Addr{}, fault.New(fault.Limit, "media: %d names are being looked up", maxLookups)
	}
	defer d.running.Add(-1)
	ctx, cancel := context.WithTimeout(d.ctx, nameWait)
	defer cancel()
	found, err := d.lookup(ctx, host)
	if err != nil {
		return netip.Addr{}, fault.New(fault.Network, "media: the name %s: %w", host, err)
	}
	for _, a := range found {
		if a = a.Unmap(); audioMayGo(a, own.Unmap()) {
			return a, nil
		}
	}
	return netip.Addr{}, fault.New(fault.Denied, "media: the name %s leads to no address for audio from %s", host, own)
}

// audioMayGo tells whether a name may lead to an address. Addresses of this
// machine and of private networks are for peers in such networks only, which are
// told an address of ours there.
func audioMayGo(a, own netip.Addr) bool {
	switch {
	case !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.Zone() != "" || a.Is4() != own.Is4() || a == broadcast:
		return false
	case a.IsLoopback():
		return own.IsLoopback()
	case a.IsLinkLocalUnicast():
		return own.IsLinkLocalUnicast()
	case a.IsPrivate():
		return own.IsPrivate() || own.IsLoopback()
	}
	return true
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// named fills in the address of a name that the session knows; any other it has
// looked up, and agrees once more when that is done.
func (s *Session) named(r *sdp.Remote) {
	s.nameTurn++
	switch {
	case r.Name == "" || s.state == sessionClosed:
	case r.Name == s.nameKnown:
		r.At(s.nameAddr)
	default:
		name, turn, own, desk := r.Name, s.nameTurn, s.local.Addr, s.engine.names
		s.engine.clk.Busy(1)
		desk.wg.Go(func() {
			defer s.engine.clk.Busy(-1)
			addr, err := desk.find(name, own)
			s.found(turn, addr, err)
		})
	}
}

// found ends a lookup, unless another exchange has come meanwhile.
func (s *Session) found(turn uint32, addr netip.Addr, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if turn != s.nameTurn || s.state == sessionClosed {
		return
	}
	r := s.remote
	ev := Event{Kind: NameFound, At: s.engine.clk.Now(), Err: err, Completed: true}
	switch {
	case err == nil:
		s.nameKnown, s.nameAddr = r.Name, addr
	case s.opts.Symmetric.IsValid():
		addr = s.opts.Symmetric.Unmap()
	default:
		ev.Completed = false
	}
	if ev.Reason = r.Name; ev.Completed {
		ev.Reason += " is " + addr.String()
		r.At(addr)
		s.inForce(s.local, r)
	}
	s.engine.notes.post(s.opts.Sink, ev)
}
