package dns

import "encoding/binary"

// maxName is how long a domain name may be (RFC 1035 §2.3.4).
const maxName = 253

// readNAPTR reads the data of one record (RFC 3403 §4.1): two numbers, three
// strings and a name, which is never compressed.
func readNAPTR(b []byte) (n NAPTR, ok bool) {
	if len(b) < 4 {
		return n, false
	}
	n.Order, n.Preference = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	b = b[4:]
	for _, into := range []*string{&n.Flags, &n.Services, &n.Pattern} {
		if *into, b, ok = readString(b); !ok {
			return n, false
		}
	}
	n.Replacement, ok = readName(b)
	return n, ok
}

func readString(b []byte) (s string, rest []byte, ok bool) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return "", nil, false
	}
	end := 1 + int(b[0])
	return string(b[1:end]), b[end:], true
}

// readName reads an uncompressed name that fills b. A label that holds a dot
// or is not printable cannot be asked for, so that the rule is of no use.
func readName(b []byte) (string, bool) {
	var name []byte
	for {
		if len(b) == 0 || b[0] > 63 || len(b) < 1+int(b[0]) {
			return "", false
		}
		n := int(b[0])
		if n == 0 {
			return string(name), len(b) == 1 && len(name) <= maxName
		}
		if len(name) > 0 {
			name = append(name, '.')
		}
		for _, c := range b[1 : 1+n] {
			if c <= ' ' || c > '~' || c == '.' {
				return "", false
			}
			name = append(name, c)
		}
		b = b[1+n:]
	}
}
