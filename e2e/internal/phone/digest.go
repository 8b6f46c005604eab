package phone

import (
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"strings"
)

// Challenge is what a WWW-Authenticate or Proxy-Authenticate header says.
type Challenge map[string]string

// ReadChallenge reads a header's parameters, RFC 7616 §3.3.
func ReadChallenge(header string) Challenge {
	c := Challenge{}
	rest := strings.TrimPrefix(header, "Digest ")
	for rest != "" {
		name, after, ok := strings.Cut(rest, "=")
		if !ok {
			break
		}
		value := ""
		if after = strings.TrimLeft(after, " "); strings.HasPrefix(after, `"`) {
			value, rest, _ = strings.Cut(after[1:], `"`)
			_, rest, _ = strings.Cut(rest, ",")
		} else {
			value, rest, _ = strings.Cut(after, ",")
		}
		c[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
	}
	return c
}

func hash(algorithm, s string) string {
	if strings.EqualFold(algorithm, "SHA-256") {
		return fmt.Sprintf("%x", sha256.Sum256([]byte(s)))
	}
	return fmt.Sprintf("%x", md5.Sum([]byte(s)))
}

// Response computes the response to a challenge with qop=auth, or without one
// (nc 0).
func Response(algorithm, user, realm, password, method, uri, nonce, cnonce string, nc int) string {
	a1 := hash(algorithm, user+":"+realm+":"+password)
	a2 := hash(algorithm, method+":"+uri)
	if nc == 0 {
		return hash(algorithm, a1+":"+nonce+":"+a2)
	}
	return hash(algorithm, fmt.Sprintf("%s:%s:%08x:%s:auth:%s", a1, nonce, nc, cnonce, a2))
}

// Authorize is the value of an Authorization header that answers c.
func (c Challenge) Authorize(user, password, method, uri string, nc int) string {
	const cnonce = "0a4f113b"
	response := Response(c["algorithm"], user, c["realm"], password, method, uri, c["nonce"], cnonce, nc)
	return fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s", algorithm=%s, qop=auth, nc=%08x, cnonce="%s"`,
		user, c["realm"], c["nonce"], uri, response, c["algorithm"], nc, cnonce)
}

// Verify checks an Authorization header against a password.
func Verify(header, method, password string) bool {
	c := ReadChallenge(header)
	nc := 0
	if c["qop"] != "" {
		_, _ = fmt.Sscanf(c["nc"], "%x", &nc)
	}
	return c["response"] != "" && c["response"] == Response(c["algorithm"], c["username"], c["realm"], password, method, c["uri"], c["nonce"], c["cnonce"], nc)
}
