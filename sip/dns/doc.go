// Package dns asks name servers for what SIP needs of them (RFC 3263): NAPTR,
// SRV and address records, each with the time that it may be kept, which the
// standard library tells of none of them.
//
// The servers are those of /etc/resolv.conf, read anew for each question. UDP
// comes first (EDNS0 with [Payload] bytes, without it where a server does not
// know it), TCP when an answer is cut short. The system's own resolver answers
// what only it can: names of /etc/hosts, names without a dot, names that are
// complete with a search domain only, and everything when resolv.conf names no
// server.
//
// An answer counts when it comes from the asked server to the asking port,
// with the random id and the very question; of its records only those count
// that belong to the name asked for, or to the one at the end of its aliases.
//
// # Concurrency
//
// A [Client] may be used from any goroutine; its methods wait for the network
// until their context ends.
//
// # Limits
//
// [MaxServers] servers, [Rounds] times each, [Patience] each time; [MaxAnswer]
// bytes of an answer, [MaxRecords] records of it, [MaxAliases] aliases in a
// row; [MaxStray] packets that are no answer to the question.
//
// # Errors
//
// A name without such records is a [*Missing]; everything else means that no
// server could tell.
package dns

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Limits of a Client.
const (
	MaxServers = 3 // as glibc has it
	Rounds     = 2
	Patience   = time.Second
	Payload    = 1232 // bytes of a UDP answer that no network splits
	MaxAnswer  = 16 << 10
	MaxRecords = 64
	MaxAliases = 8
	MaxStray   = 32
)

// NAPTR is one rule of RFC 3403, as RFC 3263 §4.1 uses it.
type NAPTR struct {
	Order, Preference        uint16
	Flags, Services, Pattern string
	Replacement              string // without the last dot
}

// SRV is one place of a service (RFC 2782).
type SRV struct {
	Priority, Weight, Port uint16
	Target                 string // without the last dot; "" says that the service is not there
}

// Missing tells that a name has no such record.
type Missing struct {
	Name, Type string
	TTL        time.Duration // how long that may be believed (RFC 2308); 0: not told
}

func (m *Missing) Error() string { return fmt.Sprintf("%s has no %s record", m.Name, m.Type) }

// AsMissing tells whether err says that there is no such record.
func AsMissing(err error) (*Missing, bool) { return errors.AsType[*Missing](err) }

// Options configure a Client.
type Options struct {
	Servers func() []netip.AddrPort // nil: those of /etc/resolv.conf
	Hosts   string                  // the file of fixed names; "": /etc/hosts
	System  System                  // nil: no other resolver is asked
}
