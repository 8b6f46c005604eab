package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/duration"
)

type decodeFunc func(d *decoder, path string, tag reflect.StructTag, n *node, v reflect.Value)

// decoderFor is the decoder of a type that is more than its Go kind, or nil.
func decoderFor(t reflect.Type) decodeFunc {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return decodeDuration
	case reflect.TypeFor[Secret]():
		return decodeSecret
	case reflect.TypeFor[Bytes]():
		return decodeBytes
	case reflect.TypeFor[PortRange]():
		return scalar("a port range such as 40000-49999", parsePortRange)
	case reflect.TypeFor[Listener]():
		return decodeListener
	case reflect.TypeFor[Advertised]():
		return scalar("an IP address or a host name", parseAdvertised)
	case reflect.TypeFor[Network]():
		return scalar("auto, an IP address or a network such as 10.8.0.0/16", parseNetwork)
	case reflect.TypeFor[netip.Addr]():
		return scalar("an IP address", netip.ParseAddr)
	case reflect.TypeFor[netip.Prefix]():
		return scalar("an IP address or a network such as 203.0.113.0/24", parsePrefix)
	case reflect.TypeFor[netip.AddrPort]():
		return scalar("an address such as 127.0.0.1:8780", parseAddrPort)
	case reflect.TypeFor[Register]():
		return decodeRegister
	case reflect.TypeFor[SessionTimer]():
		return decodeSessionTimer
	case reflect.TypeFor[Tokens]():
		return decodeTokens
	case reflect.TypeFor[map[string]any]():
		return decodeData
	}
	return nil
}

// scalar makes a decoder of a parse function.
func scalar[T any](wanted string, parse func(string) (T, error)) decodeFunc {
	return func(d *decoder, path string, _ reflect.StructTag, n *node, v reflect.Value) {
		text, ok := d.text(path, n, wanted)
		if !ok {
			return
		}
		value, err := parse(text)
		if err != nil {
			d.add(n.at, fmt.Sprintf("%s: %s is not %s", path, n.quoted(), wanted), "")
			return
		}
		v.Set(reflect.ValueOf(value))
	}
}

func decodeDuration(d *decoder, path string, tag reflect.StructTag, n *node, v reflect.Value) {
	text, ok := d.text(path, n, `a duration such as "5s"`)
	if !ok {
		return
	}
	if tag.Get("off") != "" && (text == "off" || text == "false") {
		v.SetInt(0)
		return
	}
	value, err := duration.Parse(text)
	if err != nil {
		d.add(n.at, fmt.Sprintf("%s: %s is no duration", path, n.quoted()), `durations are "80ms", "5s", "1m30s", "90d", "1y" or milliseconds`)
		return
	}
	v.SetInt(int64(value))
	d.least(path, tag, n, text, value)
}

// least refuses durations that nobody means, mostly seconds or minutes without
// their unit, and notes the others that have none.
func (d *decoder) least(path string, tag reflect.StructTag, n *node, text string, value time.Duration) {
	if n.at == (place{}) {
		return // a default
	}
	_, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	bare := err == nil
	least, err := duration.Parse(tag.Get("least"))
	allowed := value == 0 && tag.Get("off")+tag.Get("zero") != ""
	switch {
	case err != nil || allowed || value >= least:
		if bare && value > 0 {
			d.notices = append(d.notices, Notice{d.where(n.at), path + ": a number without a unit is milliseconds: " + duration.Format(value)})
		}
	case bare && value > 0:
		d.add(n.at, fmt.Sprintf("%s: %s is milliseconds, less than %s", path, n.quoted(), duration.Format(least)), `write the unit: "30s", "5m", "2h"`)
	default:
		d.add(n.at, fmt.Sprintf("%s: %s is less than %s", path, n.quoted(), duration.Format(least)), "")
	}
}

func decodeSecret(d *decoder, path string, _ reflect.StructTag, n *node, v reflect.Value) {
	text, ok := d.text(path, n, "a text")
	if !ok {
		return
	}
	if len(n.text) >= minMasked && n.at.source == "" && !strings.Contains(n.text, "${") {
		d.secrets = append(d.secrets, n.text)
	}
	v.SetString(text)
}

func decodeBytes(d *decoder, path string, tag reflect.StructTag, n *node, v reflect.Value) {
	text, ok := d.text(path, n, "a size such as 64MB")
	if !ok {
		return
	}
	size, err := ParseBytes(text)
	if err != nil {
		d.add(n.at, fmt.Sprintf("%s: %s is no size", path, n.quoted()), "sizes are 64MB, 512KB, 2GB or a number of bytes")
		return
	}
	v.SetInt(int64(size))
	d.checkRange(path, tag, n, float64(size))
}

// defaultExpires is what REGISTER asks for when the file says only true.
const defaultExpires = 300 * time.Second

// maxInterval is the longest time that a registration or a session may go
// without being refreshed.
const maxInterval = 30 * duration.Day

func decodeRegister(d *decoder, path string, _ reflect.StructTag, n *node, v reflect.Value) {
	r := Register{Expires: defaultExpires}
	if n.kind == mapNode {
		r.On = true
		var options struct {
			Expires time.Duration `yaml:"expires" default:"300s"`
		}
		d.structure(path, n, reflect.ValueOf(&options).Elem())
		if r.Expires = options.Expires; r.Expires < time.Minute {
			d.add(n.at, path+".expires: less than 60s", "registrars refuse it")
		} else if r.Expires > maxInterval {
			d.add(n.at, path+".expires: more than "+duration.Format(maxInterval), "a registration that nobody renews is dead for as long")
		}
	} else if n.kind == scalarNode {
		d.boolValue(path, n, reflect.ValueOf(&r.On).Elem())
	} else {
		d.mismatch(path, n, "true, false or {expires: 300s}")
	}
	v.Set(reflect.ValueOf(r))
}

// minSessionTimer is the Min-SE floor of RFC 4028 §5.
const minSessionTimer = 90 * time.Second

func decodeSessionTimer(d *decoder, path string, tag reflect.StructTag, n *node, v reflect.Value) {
	text, ok := d.text(path, n, "accept, off or an interval such as 1800s")
	if !ok {
		return
	}
	var timer SessionTimer
	switch text {
	case "accept":
	case "off", "false":
		timer.Off = true
	default:
		decodeDuration(d, path, tag, n, reflect.ValueOf(&timer.Interval).Elem())
		if timer.Interval > 0 && timer.Interval < minSessionTimer {
			d.add(n.at, path+": less than 90s", "RFC 4028 forbids it")
		} else if timer.Interval > maxInterval {
			d.add(n.at, path+": more than "+duration.Format(maxInterval), "a dead call would stand for as long; 1800s is usual")
		}
	}
	v.Set(reflect.ValueOf(timer))
}

// decodeTokens takes a plain list (full rights) or a map of names.
func decodeTokens(d *decoder, path string, tag reflect.StructTag, n *node, v reflect.Value) {
	if n.kind == mapNode {
		var tokens []Token
		d.keyed(path, n, reflect.ValueOf(&tokens).Elem())
		v.Set(reflect.ValueOf(Tokens(tokens)))
		return
	}
	var secrets []Secret
	before := len(d.found)
	d.list(path, tag, n, reflect.ValueOf(&secrets).Elem())
	var tokens Tokens
	for i, s := range secrets {
		if s == "" && len(d.found) == before {
			d.add(n.at, path+": a token is empty", "a long random text")
		}
		tokens = append(tokens, Token{Name: "token" + strconv.Itoa(i+1), Token: s})
	}
	v.Set(reflect.ValueOf(tokens))
}

func decodeData(d *decoder, path string, _ reflect.StructTag, n *node, v reflect.Value) {
	if n.kind != mapNode {
		d.mismatch(path, n, "a map")
		return
	}
	v.Set(reflect.ValueOf(d.anything(path, n)))
}

// anything is a node as plain Go values, by the YAML 1.2 core schema.
func (d *decoder) anything(path string, n *node) any {
	switch n.kind {
	case mapNode:
		out := make(map[string]any, len(n.entries))
		for _, e := range n.entries {
			out[e.key] = d.anything(join(path, e.key), e.value)
		}
		return out
	case listNode:
		out := make([]any, len(n.items))
		for i, item := range n.items {
			out[i] = d.anything(fmt.Sprintf("%s[%d]", path, i), item)
		}
		return out
	case scalarNode:
		text, _ := d.text(path, n, "a value")
		if n.plain && text == n.text {
			return plainValue(text)
		}
		return text
	}
	return nil
}

func plainValue(text string) any {
	switch text {
	case "true", "True", "TRUE":
		return true
	case "false", "False", "FALSE":
		return false
	}
	digits := strings.TrimPrefix(text, "-")
	if strings.HasPrefix(text, "+") || len(digits) > 1 && digits[0] == '0' && digits[1] != '.' {
		return text // "+7…" and "007" are no numbers to whoever wrote them
	}
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && strings.Trim(text, "0123456789.eE-") == "" {
		return f
	}
	return text
}

func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err
}

// parseAddrPort reads host:port; an empty host is every address.
func parseAddrPort(text string) (netip.AddrPort, error) {
	if strings.HasPrefix(text, ":") {
		text = "0.0.0.0" + text
	}
	if strings.HasPrefix(text, "localhost:") {
		text = "127.0.0.1" + strings.TrimPrefix(text, "localhost")
	}
	return netip.ParseAddrPort(text)
}

var sipPorts = map[string]uint16{"udp": 5060, "tcp": 5060, "tls": 5061, "ws": 80, "wss": 443}

func parseListener(text string) (Listener, error) {
	transport, rest, ok := strings.Cut(text, "://")
	transport = strings.ToLower(transport)
	port, known := sipPorts[transport]
	if !ok || !known {
		return Listener{}, fmt.Errorf("config: %q has no known transport", text)
	}
	if addr, err := netip.ParseAddr(strings.Trim(rest, "[]")); err == nil {
		return Listener{Transport: transport, Addr: netip.AddrPortFrom(addr, port)}, nil
	}
	addr, err := parseAddrPort(rest)
	return Listener{Transport: transport, Addr: addr}, err
}

// decodeListener takes an address, or a map that says more of it.
func decodeListener(d *decoder, path string, tag reflect.StructTag, n *node, v reflect.Value) {
	if n.kind != mapNode {
		scalar("an address such as udp://0.0.0.0:5060", parseListener)(d, path, tag, n, v)
		return
	}
	var l struct {
		Address   Listener   `yaml:"address" required:"yes" doc:"udp://0.0.0.0:5060 and the like."`
		Advertise Advertised `yaml:"advertise" doc:"Address or host name that peers of this listener are told, with a port where that is another one."`
	}
	d.structure(path, n, reflect.ValueOf(&l).Elem())
	l.Address.Advertise = l.Advertise
	v.Set(reflect.ValueOf(l.Address))
}

// parseAdvertised reads an IP address or a host name, each with a port or not.
func parseAdvertised(text string) (Advertised, error) {
	if ip, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil && ip.Zone() == "" {
		return Advertised{Addr: ip.Unmap()}, nil
	}
	if p, err := netip.ParseAddrPort(text); err == nil && p.Port() != 0 && p.Addr().Zone() == "" {
		return Advertised{Addr: p.Addr().Unmap(), Port: p.Port()}, nil
	}
	name, port, found := strings.Cut(text, ":")
	n, err := strconv.ParseUint(port, 10, 16)
	if !isHostName(name) || found && (err != nil || n == 0) {
		return Advertised{}, fmt.Errorf("config: %q is neither an address nor a host name", text)
	}
	return Advertised{Name: strings.ToLower(name), Port: uint16(n)}, nil
}

// isHostName tells a name that DNS may know (RFC 1123 §2.1) from an IP address
// with a digit too few.
func isHostName(name string) bool {
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || strings.Trim(strings.ToLower(l), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	last := labels[len(labels)-1]
	return len(name) <= 253 && strings.Trim(last, "0123456789") != ""
}

func parseNetwork(text string) (Network, error) {
	if text == auto {
		return Network{}, nil
	}
	p, err := parsePrefix(text)
	return Network{p}, err
}
