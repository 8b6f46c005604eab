// Package weburl parses URLs as browsers do (WHATWG URL Standard), which
// differs from net/url in what it mends: case, dots, backslashes, ports,
// numeric hosts and characters that have to be escaped.
//
// Left out of the standard: origins of blob: URLs, and file: URLs with Windows
// drive letters.
//
// # Errors
//
// Parse and Set report failure without a reason, as the standard's API does.
package weburl

import (
	"strings"
)

// MaxText is the length of the longest URL in bytes.
const MaxText = 64 << 10

// URL is a parsed URL.
type URL struct {
	scheme     string
	user, pass string
	host       string
	hasHost    bool
	port       string
	path       []string // segments
	opaque     bool     // as in mailto:a@b
	opaquePath string
	query      *string
	fragment   *string
}

// defaultPorts are of the special schemes.
var defaultPorts = map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21", "file": ""}

func special(scheme string) bool {
	_, ok := defaultPorts[scheme]
	return ok
}

// Parse reads a URL, relative to base if that is not nil.
func Parse(text string, base *URL) (*URL, bool) {
	if len(text) > MaxText {
		return nil, false
	}
	u, ok := parse(clean(text), base)
	if !ok {
		return nil, false
	}
	return u, true
}

func parse(text string, base *URL) (*URL, bool) {
	u := &URL{}
	text, fragment, hasFragment := strings.Cut(text, "#")
	if hasFragment {
		f := Escape(fragment, inFragment)
		u.fragment = &f
	}
	scheme, rest, ok := cutScheme(text)
	if !ok {
		return u.relative(text, base)
	}
	u.scheme = scheme
	if special(scheme) && scheme != "file" {
		rest = backslashes(rest)
		if base != nil && base.scheme == scheme && !strings.HasPrefix(rest, "/") {
			return u.relative(rest, base)
		}
		rest = "//" + strings.TrimLeft(rest, "/")
	} else if scheme == "file" {
		return u.file(backslashes(rest), base)
	}
	rest = u.cutQuery(rest)
	switch {
	case strings.HasPrefix(rest, "//"):
		return u, u.authority(rest[2:])
	case strings.HasPrefix(rest, "/"):
		u.setPath(rest)
	default:
		u.opaque, u.opaquePath = true, Escape(rest, inControl)
	}
	return u, true
}

// clean drops what the standard ignores: spaces and controls at the ends, tabs
// and line ends everywhere.
func clean(text string) string {
	text = strings.TrimFunc(text, func(r rune) bool { return r <= ' ' })
	return strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(text)
}

func cutScheme(text string) (scheme, rest string, ok bool) {
	scheme, rest, ok = strings.Cut(text, ":")
	if !ok || !validScheme(scheme) {
		return "", text, false
	}
	return strings.ToLower(scheme), rest, true
}

func validScheme(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		letter := c >= 'a' && c <= 'z'
		if !letter && (i == 0 || !(s[i] >= '0' && s[i] <= '9' || strings.IndexByte("+-.", s[i]) >= 0)) {
			return false
		}
	}
	return s != ""
}

// backslashes are slashes before the query of a special URL.
func backslashes(s string) string {
	path, query, ok := strings.Cut(s, "?")
	path = strings.ReplaceAll(path, `\`, "/")
	if ok {
		return path + "?" + query
	}
	return path
}

func (u *URL) cutQuery(rest string) string {
	path, query, ok := strings.Cut(rest, "?")
	if ok {
		u.setQuery(query)
	}
	return path
}

func (u *URL) setQuery(query string) {
	set := inQuery
	if special(u.scheme) {
		set = inSpecialQuery
	}
	q := Escape(query, set)
	u.query = &q
}

// relative resolves text against base.
func (u *URL) relative(text string, base *URL) (*URL, bool) {
	if base == nil || base.opaque && text != "" {
		return nil, false
	}
	u.scheme = base.scheme
	if special(u.scheme) {
		text = backslashes(text)
	}
	rest := u.cutQuery(text)
	if strings.HasPrefix(rest, "//") && u.scheme != "file" {
		return u, u.authority(rest[2:])
	}
	if strings.HasPrefix(rest, "//") {
		return u.file(text, nil)
	}
	u.user, u.pass, u.host, u.hasHost, u.port = base.user, base.pass, base.host, base.hasHost, base.port
	u.opaque, u.opaquePath = base.opaque, base.opaquePath
	switch {
	case rest == "":
		u.path = append([]string(nil), base.path...)
		if u.query == nil && !strings.Contains(text, "?") {
			u.query = base.query
		}
	case strings.HasPrefix(rest, "/"):
		u.setPath(rest)
	default:
		u.setPath("/" + strings.Join(append(append([]string(nil), parent(base.path)...), rest), "/"))
	}
	return u, true
}

func parent(path []string) []string {
	if len(path) == 0 {
		return nil
	}
	return path[:len(path)-1]
}

func (u *URL) file(rest string, base *URL) (*URL, bool) {
	u.scheme, u.hasHost = "file", true
	rest = u.cutQuery(rest)
	if host, ok := strings.CutPrefix(rest, "//"); ok {
		name, path, _ := strings.Cut(host, "/")
		parsed, good := parseHost(name, true)
		if name != "" && !good {
			return nil, false
		}
		if u.host = parsed; u.host == "localhost" {
			u.host = ""
		}
		u.setPath("/" + path)
		return u, true
	}
	if base != nil && base.scheme == "file" && !strings.HasPrefix(rest, "/") {
		rest = "/" + strings.Join(append(append([]string(nil), parent(base.path)...), rest), "/")
	}
	u.setPath("/" + strings.TrimPrefix(rest, "/"))
	return u, true
}

// authority reads user:pass@host:port/path.
func (u *URL) authority(rest string) bool {
	end := strings.IndexByte(rest, '/')
	if end < 0 {
		end = len(rest)
	}
	authority, path := rest[:end], rest[end:]
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		user, pass, _ := strings.Cut(authority[:at], ":")
		u.user, u.pass = Escape(user, inUserinfo), Escape(pass, inUserinfo)
		if authority = authority[at+1:]; authority == "" {
			return false
		}
	}
	if !u.setHostPort(authority) {
		return false
	}
	if path != "" || special(u.scheme) {
		u.setPath(path)
	}
	return true
}

func (u *URL) setHostPort(text string) bool {
	host, port := text, ""
	if colon := strings.LastIndexByte(text, ':'); colon > strings.LastIndexByte(text, ']') {
		host, port = text[:colon], text[colon+1:]
	}
	name, ok := parseHost(host, special(u.scheme))
	if !ok || name == "" && (special(u.scheme) || port != "") {
		return false
	}
	u.host, u.hasHost = name, true
	return u.setPort(port)
}

func (u *URL) setPort(text string) bool {
	text = strings.TrimLeft(text, "0")
	if strings.Trim(text, "0123456789") != "" || len(text) > 5 || len(text) == 5 && text > "65535" {
		return false
	}
	if text == defaultPorts[u.scheme] {
		text = ""
	}
	u.port = text
	return true
}

// setPath resolves dots; text begins with a slash or is empty.
func (u *URL) setPath(text string) {
	u.path = nil
	segments := strings.Split(strings.TrimPrefix(text, "/"), "/")
	for i, s := range segments {
		last := i == len(segments)-1
		switch strings.ReplaceAll(strings.ToLower(s), "%2e", ".") {
		case ".":
			if last {
				u.path = append(u.path, "")
			}
		case "..":
			u.path = parent(u.path)
			if last {
				u.path = append(u.path, "")
			}
		default:
			u.path = append(u.path, Escape(s, inPath))
		}
	}
}
