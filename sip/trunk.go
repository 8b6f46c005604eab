package sip

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	mrand "math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip/digest"
	"github.com/loopstart/loopstart/sip/resolve"
)

// MaxTrunks is how many trunks an endpoint serves. Each has two goroutines.
const MaxTrunks = 256

// contactMark is the URI parameter of our registered Contact by which an
// INVITE is recognised as that trunk's, from whatever address it comes.
const contactMark = "ls"

// trunks is the endpoint's side of trunks.
type trunks struct {
	resolver *resolve.Resolver
	live     atomic.Pointer[[]*trunk] // in the order of the configuration
	started  atomic.Bool
	changeMu sync.Mutex // one change of the set at a time
}

// trunk is one trunk of the configuration while it is served. Its
// registration and its health check have a goroutine each; both, and whoever
// asks, meet in state.
type trunk struct {
	e        *Endpoint
	cfg      Trunk
	active   bool           // false: no packet goes out but by Dial and CheckTrunk
	address  resolve.Target // Request-URI
	next     resolve.Target // where packets go
	token    string
	instance string // UUID of our end of a flow (RFC 5626 §4.1), the same over restarts
	auth     *digest.Client
	log      *slog.Logger

	learnt  atomic.Pointer[learnt]
	back    comeback
	move    chan struct{}                // our address has changed; capacity 1
	sources atomic.Pointer[[]netip.Addr] // what address and proxy resolve to

	ctx     context.Context // ends when the trunk is removed
	stop    context.CancelFunc
	running sync.WaitGroup
	state   trunkState
}

// openTrunks prepares trunks before the sockets open.
func (e *Endpoint) openTrunks() error {
	e.resolver = resolve.New(resolve.Options{Lookup: e.lookup, Clock: e.clk, Roll: mrand.IntN})
	e.live.Store(&[]*trunk{})
	e.deps.Incoming = e.noting(e.deps.Incoming)
	if err := checkTrunks(e.cfg.Load().Trunks); err != nil {
		return err
	}
	e.updateTrunks(e.cfg.Load())
	return nil
}

// checkTrunks says what is wrong with a list of trunks before it is taken.
func checkTrunks(list []Trunk) error {
	if len(list) > MaxTrunks {
		return fault.New(fault.Limit, "sip: %d trunks, at most %d are served", len(list), MaxTrunks).WithExit(fault.ExitConfig)
	}
	for _, t := range list {
		for _, address := range []string{t.Address, cmp.Or(t.Proxy, t.Address)} {
			target, ok := resolve.ParseTarget(address)
			if !ok {
				return fault.New(fault.Invalid, "sip: trunk %s: address %q is wrong", t.Name, address).
					WithHint("write host, host:port, host:port;transport=tcp or host:port;transport=wss;path=/ws").WithExit(fault.ExitConfig)
			}
			if tp := cmp.Or(t.Transport, target.Transport, "udp"); !slices.Contains([]string{"udp", "tcp", "tls", "ws", "wss"}, tp) {
				return fault.New(fault.Invalid, "sip: trunk %s: transport %q is not supported", t.Name, tp).
					WithHint("use udp, tcp, tls, ws or wss").WithExit(fault.ExitConfig)
			}
		}
	}
	return nil
}

// readerTries is how many milliseconds the sockets have to get their readers.
const readerTries = 2000

// awaitReaders waits until sipgo knows every UDP socket, which its reader
// tells it on a goroutine of its own: a request that leaves earlier would be
// sent from a socket that sipgo opens for it.
func (e *Endpoint) awaitReaders() {
	pool := e.tp.Pool("udp")
	for _, s := range e.udp {
		for try := 0; pool.Get(s.key) == nil && try < readerTries; try++ {
			tick := make(chan struct{})
			clock.System().AfterFunc(time.Millisecond, func() { close(tick) })
			<-tick
		}
	}
}

// startTrunks begins REGISTER and OPTIONS when the sockets are open.
func (e *Endpoint) startTrunks() {
	e.awaitReaders()
	e.changeMu.Lock()
	defer e.changeMu.Unlock()
	e.started.Store(true)
	for _, t := range *e.live.Load() {
		t.start()
	}
}

// closeTrunks takes our registrations back and ends all trunks.
func (e *Endpoint) closeTrunks() {
	e.changeMu.Lock()
	defer e.changeMu.Unlock()
	e.started.Store(false)
	e.endTrunks(*e.live.Load())
	e.live.Store(&[]*trunk{})
	e.resolver.Close()
}

// endTrunks stops all of the list at once and waits for them.
func (e *Endpoint) endTrunks(list []*trunk) {
	for _, t := range list {
		t.stop()
		t.back.stop()
	}
	for _, t := range list {
		t.running.Wait()
	}
}

// updateTrunks takes a new configuration: trunks that did not change go on
// undisturbed, the others end and begin. A list that checkTrunks refuses must
// not come here.
func (e *Endpoint) updateTrunks(cfg *Config) {
	e.changeMu.Lock()
	defer e.changeMu.Unlock()
	old := *e.live.Load()
	kept := make(map[*trunk]bool)
	var list, fresh []*trunk
	for _, c := range cfg.Trunks {
		t := find(old, c.Name)
		if t == nil || !reflect.DeepEqual(t.cfg, c) || t.active != cfg.Register {
			t = e.newTrunk(c, cfg.Register)
			fresh = append(fresh, t)
		}
		kept[t] = true
		list = append(list, t)
	}
	var gone []*trunk
	for _, t := range old {
		if !kept[t] {
			gone = append(gone, t)
		}
	}
	e.endTrunks(gone)
	e.live.Store(&list)
	if e.started.Load() {
		for _, t := range fresh {
			t.start()
		}
	}
}

func find(list []*trunk, name string) *trunk {
	for _, t := range list {
		if t.cfg.Name == name {
			return t
		}
	}
	return nil
}

func (e *Endpoint) newTrunk(c Trunk, register bool) *trunk {
	t := &trunk{e: e, cfg: c, active: register, log: e.log.With("trunk", c.Name), move: make(chan struct{}, 1)}
	t.address, _ = resolve.ParseTarget(c.Address)
	t.next, _ = resolve.ParseTarget(cmp.Or(c.Proxy, c.Address))
	t.next.Transport = cmp.Or(t.next.Transport, c.Transport)
	t.address.Transport = cmp.Or(t.address.Transport, c.Transport)
	t.token = contactToken(c)
	t.instance = instanceOf(t.token)
	if c.Password != "" {
		t.auth = digest.NewClient(digest.Account{
			Username: cmp.Or(c.AuthUser, c.Username), Password: c.Password, Realm: c.Realm,
		}, rand.Reader)
	}
	t.ctx, t.stop = context.WithCancel(context.Background())
	t.state.since = e.clk.Now()
	t.sources.Store(&[]netip.Addr{})
	t.noteSources()
	return t
}

// contactToken marks our Contact. It stays the same over restarts, so that
// calls which come by a Contact registered before one still find their trunk,
// and nobody without the password can guess it.
func contactToken(c Trunk) string {
	key := []byte(c.Password)
	if len(key) == 0 {
		key = make([]byte, 32)
		_, _ = rand.Read(key) // never fails (crypto/rand)
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte(strings.Join([]string{"contact", c.Name, c.Username, c.Address}, "\x00")))
	return hex.EncodeToString(h.Sum(nil)[:10])
}

// instanceOf makes a UUID of a trunk's mark (RFC 9562 §5.8: ours to fill).
func instanceOf(mark string) string {
	h := sha256.Sum256([]byte("instance\x00" + mark))
	h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80
	s := hex.EncodeToString(h[:16])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// noteSources takes over what the resolver knows of the trunk's addresses.
func (t *trunk) noteSources() {
	var out []netip.Addr
	for _, target := range []resolve.Target{t.address, t.next} {
		for _, h := range t.e.resolver.Cached(target) {
			out = append(out, h.Addr.Addr())
		}
	}
	if len(out) > 0 {
		t.sources.Store(&out)
	}
}

// accepts tells whether packets from the address are the trunk's.
func (t *trunk) accepts(source netip.Addr) bool {
	source = source.Unmap()
	if len(t.cfg.Allow) > 0 {
		for _, p := range t.cfg.Allow {
			if p.Contains(source) {
				return true
			}
		}
		return false
	}
	for _, a := range *t.sources.Load() {
		if a == source {
			return true
		}
	}
	return false
}

// trunkFor finds the trunk of a request by the registered Contact that its
// Request-URI names, else by its source. Of several trunks with that source
// the one whose user name is dialled wins, else the first.
func (e *Endpoint) trunkFor(source netip.AddrPort, request Address) (name string, ok bool) {
	list := *e.live.Load()
	if mark, ok := request.Param(contactMark); ok {
		for _, t := range list {
			if t.cfg.Register && hmac.Equal([]byte(t.token), []byte(mark)) {
				return t.cfg.Name, true
			}
		}
	}
	for _, t := range list {
		if !t.accepts(source.Addr()) {
			continue
		}
		if t.cfg.Username != "" && t.cfg.Username == unescapeUser(request.User) {
			return t.cfg.Name, true
		}
		if !ok {
			name, ok = t.cfg.Name, true
		}
	}
	return name, ok
}

// trunkSource tells whether an address belongs to some trunk.
func (e *Endpoint) trunkSource(source netip.Addr) bool {
	for _, t := range *e.live.Load() {
		if t.accepts(source) {
			return true
		}
	}
	return false
}

// resolve finds the hops of an address by RFC 3263, best first.
func (e *Endpoint) resolve(ctx context.Context, next Address) ([]hop, error) {
	transport, _ := next.Param("transport")
	path, _ := next.Param("path")
	return e.resolveTarget(ctx, resolve.Target{Host: next.Host, Port: next.Port, Transport: strings.ToLower(transport), Path: path})
}

func (e *Endpoint) resolveTarget(ctx context.Context, target resolve.Target) ([]hop, error) {
	found, err := e.resolver.Resolve(ctx, target)
	if err != nil {
		return nil, err
	}
	out := make([]hop, len(found))
	for i, h := range found {
		out[i] = hop{transport: h.Transport, addr: h.Addr, name: target.Host}
		if isWS(h.Transport) {
			out[i].path = cmp.Or(target.Path, "/")
		}
	}
	return out, nil
}
