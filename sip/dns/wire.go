package dns

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// typeNAPTR is the record type that package dnsmessage has no name for.
const typeNAPTR dnsmessage.Type = 35

// Why an answer is no answer.
var (
	errStray   = errors.New("not an answer to our question")
	errCut     = errors.New("the answer is cut short")
	errNoEDNS  = errors.New("the server does not know EDNS0")
	errTooMuch = errors.New("too many records")
)

// reply is what an answer tells about one name and type.
type reply struct {
	missing bool          // there is no such record
	ttl     time.Duration // of the shortest-lived record, or of its absence; 0 of absence: not told
	alias   string        // the records are those of this name, which the answer does not hold
	naptr   []NAPTR
	srv     []SRV
	addrs   [][]byte // 4 or 16 bytes each
}

func (r *reply) size() int { return len(r.naptr) + len(r.srv) + len(r.addrs) }

// ask packs a question with a random id.
func ask(name dnsmessage.Name, kind dnsmessage.Type, edns bool) ([]byte, error) {
	var id [2]byte
	_, _ = rand.Read(id[:]) // never fails
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: binary.BigEndian.Uint16(id[:]), RecursionDesired: true})
	err := b.StartQuestions()
	if err == nil {
		err = b.Question(dnsmessage.Question{Name: name, Type: kind, Class: dnsmessage.ClassINET})
	}
	if err == nil && edns {
		var h dnsmessage.ResourceHeader
		err = errors.Join(b.StartAdditionals(), h.SetEDNS0(Payload, dnsmessage.RCodeSuccess, false), b.OPTResource(h, dnsmessage.OPTResource{}))
	}
	if err != nil {
		return nil, fmt.Errorf("question for %s: %w", name, err)
	}
	return b.Finish()
}

// read understands an answer to the question. errStray says that it is none:
// whoever sent it, the right one may still come.
func read(question, answer []byte) (*reply, error) {
	var p dnsmessage.Parser
	want, err := p.Start(question)
	if err != nil {
		return nil, err
	}
	asked, err := p.Question()
	if err != nil {
		return nil, err
	}
	head, err := p.Start(answer)
	if err != nil || !head.Response || head.ID != want.ID || head.OpCode != 0 {
		return nil, errStray
	}
	got, err := p.Question()
	switch {
	case head.RCode == dnsmessage.RCodeFormatError || head.RCode == dnsmessage.RCodeNotImplemented:
		return nil, errNoEDNS // which may leave out the question
	case err != nil || got.Type != asked.Type || got.Class != asked.Class || !strings.EqualFold(got.Name.String(), asked.Name.String()):
		return nil, errStray
	case head.Truncated:
		return nil, errCut
	case head.RCode != dnsmessage.RCodeSuccess && head.RCode != dnsmessage.RCodeNameError:
		return nil, fmt.Errorf("the name server says %s", strings.TrimPrefix(head.RCode.String(), "RCode"))
	}
	if err := p.SkipAllQuestions(); err != nil {
		return nil, fmt.Errorf("a malformed answer: %w", err)
	}
	return collect(&p, asked, head.RCode == dnsmessage.RCodeNameError)
}

// record is one of the answer section.
type record struct {
	owner string
	kind  dnsmessage.Type
	ttl   time.Duration
	body  dnsmessage.ResourceBody
}

// collect follows the aliases of the answer from the asked name and takes the
// records at their end. All others are somebody else's.
func collect(p *dnsmessage.Parser, asked dnsmessage.Question, unknown bool) (*reply, error) {
	records, err := answers(p)
	if err != nil {
		return nil, err
	}
	owner := strings.ToLower(asked.Name.String())
	out := &reply{}
	seen := map[string]bool{}
	for {
		for _, r := range records {
			if r.owner == owner && r.kind == asked.Type {
				out.take(r)
			}
		}
		alias, ok := aliasOf(records, owner)
		if out.size() > 0 || !ok {
			break
		}
		if seen[owner] || len(seen) >= MaxAliases {
			return nil, fmt.Errorf("the aliases of %s lead nowhere", asked.Name)
		}
		seen[owner] = true
		owner, out.alias = alias.target, alias.target
		out.shorten(alias.ttl)
	}
	if out.size() > 0 {
		out.alias = ""
		return out, nil
	}
	if out.alias != "" && !unknown {
		return out, nil
	}
	return &reply{missing: true, ttl: absence(p)}, nil
}

type alias struct {
	target string
	ttl    time.Duration
}

func aliasOf(records []record, owner string) (alias, bool) {
	for _, r := range records {
		if c, ok := r.body.(*dnsmessage.CNAMEResource); ok && r.owner == owner {
			return alias{strings.ToLower(c.CNAME.String()), r.ttl}, true
		}
	}
	return alias{}, false
}

// answers reads the answer section, bounded.
func answers(p *dnsmessage.Parser) ([]record, error) {
	var out []record
	for {
		h, err := p.AnswerHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("a malformed answer: %w", err)
		}
		if len(out) == MaxRecords {
			return nil, errTooMuch
		}
		body, err := bodyOf(p, h)
		if err != nil {
			return nil, fmt.Errorf("a malformed %s record: %w", typeName(h.Type), err)
		}
		if h.Class == dnsmessage.ClassINET && body != nil {
			out = append(out, record{strings.ToLower(h.Name.String()), h.Type, seconds(h.TTL), body})
		}
	}
}

func bodyOf(p *dnsmessage.Parser, h dnsmessage.ResourceHeader) (dnsmessage.ResourceBody, error) {
	switch h.Type {
	case dnsmessage.TypeA:
		r, err := p.AResource()
		return &r, err
	case dnsmessage.TypeAAAA:
		r, err := p.AAAAResource()
		return &r, err
	case dnsmessage.TypeCNAME:
		r, err := p.CNAMEResource()
		return &r, err
	case dnsmessage.TypeSRV:
		r, err := p.SRVResource()
		return &r, err
	case typeNAPTR:
		r, err := p.UnknownResource()
		return &r, err
	}
	return nil, p.SkipAnswer()
}

// take adds a record of the type asked for.
func (r *reply) take(one record) {
	switch b := one.body.(type) {
	case *dnsmessage.AResource:
		r.addrs = append(r.addrs, b.A[:])
	case *dnsmessage.AAAAResource:
		r.addrs = append(r.addrs, b.AAAA[:])
	case *dnsmessage.SRVResource:
		r.srv = append(r.srv, SRV{b.Priority, b.Weight, b.Port, undot(b.Target.String())})
	case *dnsmessage.UnknownResource:
		n, ok := readNAPTR(b.Data)
		if !ok {
			return // one bad rule does not spoil the others
		}
		r.naptr = append(r.naptr, n)
	}
	r.shorten(one.ttl)
}

// shorten keeps the least TTL of all that an answer rests on.
func (r *reply) shorten(ttl time.Duration) {
	if r.ttl == 0 || ttl < r.ttl {
		r.ttl = max(ttl, 1) // 0 is "not told"
	}
}

// absence is how long a missing record may be believed to be missing: the
// lesser of the SOA's own TTL and its MINIMUM (RFC 2308 §5).
func absence(p *dnsmessage.Parser) time.Duration {
	for range MaxRecords {
		h, err := p.AuthorityHeader()
		if err != nil {
			return 0
		}
		if h.Type != dnsmessage.TypeSOA {
			if p.SkipAuthority() != nil {
				return 0
			}
			continue
		}
		soa, err := p.SOAResource()
		if err != nil {
			return 0
		}
		return max(min(seconds(h.TTL), seconds(soa.MinTTL)), 1)
	}
	return 0
}

// seconds reads a TTL; one with the highest bit set is 0 (RFC 2181 §8).
func seconds(ttl uint32) time.Duration {
	if ttl > 1<<31-1 {
		return 0
	}
	return time.Duration(ttl) * time.Second
}

func undot(name string) string { return strings.TrimSuffix(name, ".") }

func typeName(t dnsmessage.Type) string {
	if t == typeNAPTR {
		return "NAPTR"
	}
	return strings.TrimPrefix(t.String(), "Type")
}
