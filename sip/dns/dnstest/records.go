package dnstest

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// resource is a record whose owner the server fills in.
func resource(kind dnsmessage.Type, ttl time.Duration, body dnsmessage.ResourceBody) dnsmessage.Resource {
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Type: kind, Class: dnsmessage.ClassINET, TTL: uint32(ttl / time.Second)}, Body: body,
	}
}

// Addr is an A or AAAA record. A wrong address panics: it is the test's.
func Addr(ttl time.Duration, addr string) dnsmessage.Resource {
	a := netip.MustParseAddr(addr)
	if a.Is4() {
		return resource(dnsmessage.TypeA, ttl, &dnsmessage.AResource{A: a.As4()})
	}
	return resource(dnsmessage.TypeAAAA, ttl, &dnsmessage.AAAAResource{AAAA: a.As16()})
}

// Alias is a CNAME record.
func Alias(ttl time.Duration, name string) dnsmessage.Resource {
	return resource(dnsmessage.TypeCNAME, ttl, &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(key(name))})
}

// SRV is a record of RFC 2782; the target "" says that the service is not there.
func SRV(ttl time.Duration, priority, weight, port uint16, target string) dnsmessage.Resource {
	return resource(dnsmessage.TypeSRV, ttl, &dnsmessage.SRVResource{Priority: priority, Weight: weight, Port: port, Target: dnsmessage.MustNewName(key(target))})
}

// NAPTR is a record of RFC 3403 with flag "s" and no pattern.
func NAPTR(ttl time.Duration, order, preference uint16, services, replacement string) dnsmessage.Resource {
	return RawNAPTR(ttl, order, preference, "s", services, "", replacement)
}

// RawNAPTR is one with all its fields.
func RawNAPTR(ttl time.Duration, order, preference uint16, flags, services, pattern, replacement string) dnsmessage.Resource {
	b := binary.BigEndian.AppendUint16(nil, order)
	b = binary.BigEndian.AppendUint16(b, preference)
	for _, s := range []string{flags, services, pattern} {
		b = append(append(b, byte(len(s))), s...)
	}
	for _, label := range strings.Split(strings.TrimSuffix(replacement, "."), ".") {
		if label != "" {
			b = append(append(b, byte(len(label))), label...)
		}
	}
	return resource(TypeNAPTR, ttl, &dnsmessage.UnknownResource{Type: TypeNAPTR, Data: append(b, 0)})
}
