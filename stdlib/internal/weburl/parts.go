package weburl

import "strings"

// Parts are the properties of a URL object by their names in JavaScript.
func (u *URL) Parts() map[string]string {
	p := map[string]string{
		"href": u.String(), "protocol": u.scheme + ":", "username": u.user, "password": u.pass, "hostname": u.host,
		"host": u.host, "port": u.port, "pathname": u.pathname(), "search": "", "hash": "", "origin": "null",
	}
	if u.port != "" {
		p["host"] += ":" + u.port
	}
	if u.query != nil && *u.query != "" {
		p["search"] = "?" + *u.query
	}
	if u.fragment != nil && *u.fragment != "" {
		p["hash"] = "#" + *u.fragment
	}
	if special(u.scheme) && u.scheme != "file" {
		p["origin"] = u.scheme + "://" + p["host"]
	}
	return p
}

func (u *URL) pathname() string {
	if u.opaque {
		return u.opaquePath
	}
	if len(u.path) == 0 {
		return ""
	}
	return "/" + strings.Join(u.path, "/")
}

// String is the whole URL.
func (u *URL) String() string {
	var b strings.Builder
	b.WriteString(u.scheme + ":")
	if u.hasHost {
		b.WriteString("//")
		if u.user != "" || u.pass != "" {
			b.WriteString(u.user)
			if u.pass != "" {
				b.WriteString(":" + u.pass)
			}
			b.WriteByte('@')
		}
		b.WriteString(u.host)
		if u.port != "" {
			b.WriteString(":" + u.port)
		}
	} else if !u.opaque && len(u.path) > 1 && u.path[0] == "" {
		b.WriteString("/.") // or else it would read as a host
	}
	b.WriteString(u.pathname())
	if u.query != nil {
		b.WriteString("?" + *u.query)
	}
	if u.fragment != nil {
		b.WriteString("#" + *u.fragment)
	}
	return b.String()
}

// Set changes one property and reports whether the value fits; one that does
// not leaves the URL as it was.
func (u *URL) Set(part, value string) bool {
	if len(value) > MaxText {
		return false
	}
	if part == "href" {
		parsed, ok := Parse(value, nil)
		if ok {
			*u = *parsed
		}
		return ok
	}
	changed := *u
	if !changed.set(part, strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(value)) {
		return false
	}
	*u = changed
	return true
}

func (u *URL) set(part, value string) bool {
	switch part {
	case "protocol":
		return u.setScheme(value)
	case "search":
		u.query = nil
		if value != "" {
			u.setQuery(strings.TrimPrefix(value, "?"))
		}
		return true
	case "hash":
		u.fragment = nil
		if value != "" {
			f := Escape(strings.TrimPrefix(value, "#"), inFragment)
			u.fragment = &f
		}
		return true
	case "pathname":
		return u.setPathname(value)
	}
	if u.opaque || !u.hasHost || u.scheme == "file" || u.host == "" && part != "host" && part != "hostname" {
		return false
	}
	return u.setAuthority(part, value)
}

func (u *URL) setScheme(value string) bool {
	scheme, _, _ := strings.Cut(value, ":")
	if !validScheme(scheme) {
		return false
	}
	scheme = strings.ToLower(scheme)
	if special(scheme) != special(u.scheme) || (scheme == "file") != (u.scheme == "file") {
		return false
	}
	u.scheme = scheme
	return u.setPort(u.port)
}

func (u *URL) setPathname(value string) bool {
	if u.opaque {
		return false
	}
	if special(u.scheme) {
		value = strings.ReplaceAll(value, `\`, "/")
	}
	if !strings.HasPrefix(value, "/") && (value != "" || special(u.scheme)) {
		value = "/" + value
	}
	if u.path = nil; value != "" {
		u.setPath(value)
	}
	return true
}

func (u *URL) setAuthority(part, value string) bool {
	switch part {
	case "username":
		u.user = Escape(value, inUserinfo)
	case "password":
		u.pass = Escape(value, inUserinfo)
	case "port":
		digits := value[:len(value)-len(strings.TrimLeft(value, "0123456789"))]
		return (digits != "" || value == "") && u.setPort(digits)
	case "host", "hostname":
		ends := "/?#"
		if special(u.scheme) {
			ends += `\`
		}
		if end := strings.IndexAny(value, ends); end >= 0 {
			value = value[:end]
		}
		port := u.port
		if part == "hostname" && strings.LastIndexByte(value, ':') > strings.LastIndexByte(value, ']') || !u.setHostPort(value) {
			return false
		}
		if !strings.Contains(strings.TrimPrefix(value, u.host), ":") {
			u.port = port
		}
	default:
		return false
	}
	return true
}
