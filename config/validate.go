package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/internal/schedule"
)

// hostShape is host[:port][;transport=…]; the port is submatch 2. Other shapes
// are functions: every process pays for compiling a pattern at its start.
var hostShape = regexp.MustCompile(`^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:[0-9]+)?(;transport=(udp|tcp|tls|((ws|wss)(;path=/[A-Za-z0-9/._~-]*)?)))?$`)

// Longest names, patterns and numbers.
const (
	maxName    = 64
	maxPattern = 128
	maxDigits  = 15 // ITU-T E.164 §6
)

// isName tells what may be the name of a trunk, group, user, schedule, script.
func isName(s string) bool {
	for i, r := range s {
		inner := r == '_' || r == '.' || r == '-'
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && (i == 0 || !inner) {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

// isPattern tells what a route may compare with.
func isPattern(s string) bool {
	return s != "" && len(s) <= maxPattern && !strings.ContainsAny(s, " \t\r\n,;<>\"")
}

// isLanguage tells a BCP 47 tag such as ru-RU.
func isLanguage(s string) bool {
	parts := strings.Split(s, "-")
	for i, p := range parts {
		least, most := 2, 8
		if i == 0 {
			most = 3
		}
		if len(p) < least || len(p) > most || strings.Trim(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
			return false
		}
	}
	return true
}

// isDigits tells digits with an optional plus sign, between least and maxDigits.
func isDigits(s string, least int) bool {
	digits := strings.TrimPrefix(s, "+")
	return len(digits) >= least && len(digits) <= maxDigits && strings.Trim(digits, "0123456789") == ""
}

// checker finds what decoding one key at a time cannot: names that mean
// nothing, keys that contradict each other.
type checker struct {
	*report
	c *Config
}

func (c *Config) validate(r *report) {
	v := checker{r, c}
	v.project()
	v.names()
	v.numbers()
	v.tls()
	v.advertised()
	v.listeners()
	v.users()
	v.trunks()
	v.schedules()
	v.groups()
	v.routes()
	v.services()
}

// fail reports a problem at the place of a key path; when the file does not
// have the key, at the nearest one above it.
func (v checker) fail(path, hint, format string, args ...any) {
	v.add(v.c.placeOf(path), path+": "+fmt.Sprintf(format, args...), hint)
}

func (c *Config) placeOf(path string) place {
	for path != "" {
		if p, ok := c.places[path]; ok && p != (place{}) {
			return p
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			break
		}
		path = path[:i]
	}
	return place{}
}

// numbers checks the labels of caller numbers, and notes the numbers without
// one when there are any labels at all.
func (v checker) numbers() {
	for _, n := range v.c.Numbers {
		if !strings.HasPrefix(n.Name, "+") || strings.Trim(n.Name[1:], "0123456789") != "" {
			v.fail("numbers."+n.Name, `write "+74951234567"`, "%q is no number", n.Name)
		}
	}
	if len(v.c.Numbers) == 0 {
		return
	}
	for _, t := range v.c.Trunks {
		for _, from := range t.From {
			if _, ok := v.c.Number(from); !ok {
				v.c.notices = append(v.c.notices, Notice{Message: "trunks." + t.Name + ".from: " + from + " has no label in numbers"})
			}
		}
	}
}

func (v checker) project() {
	p := v.c.Project
	if phone.Prefix(p.Country) == "" {
		v.fail("project.country", "two letters of ISO 3166: RU, KZ, DE", "%q is no country", p.Country)
	}
	if _, err := time.LoadLocation(p.Zone); err != nil || p.Zone == "" || p.Zone == "Local" {
		v.fail("project.zone", "an IANA name: Europe/Moscow", "%q is no time zone", p.Zone)
	}
	if !isLanguage(p.Language) {
		v.fail("project.language", "such as ru-RU", "%q is no language tag", p.Language)
	}
}

// names checks every name that users choose, and that no name means two
// things as a target of connect.
func (v checker) names() {
	for section, names := range map[string][]string{
		"trunks": v.c.trunkNames(), "groups": v.c.groupNames(), "sip.users": v.c.userNames(), "schedules": v.c.scheduleNames(),
	} {
		for _, name := range names {
			if !isName(name) {
				v.fail(section+"."+name, "letters, digits and _ . - inside", "this cannot be a name")
			}
		}
	}
	for _, g := range v.c.groupNames() {
		if slices.Contains(v.c.userNames(), g) {
			v.fail("groups."+g, "rename one of them", "a user has this name too")
		}
	}
	if slices.Contains(v.c.groupNames(), "users") {
		v.fail("groups.users", "rename it", `the word "users" means all users`)
	}
}

func (v checker) users() {
	for _, u := range v.c.SIP.Users {
		path := "sip.users." + u.Name
		if u.Mobile != "" && !isNumber(u.Mobile) {
			v.fail(path+".mobile", "such as +79160000001", "this is no phone number")
		}
		for _, d := range u.Dial {
			if d != "users" && (d == "" || !isDigits(d, 0)) {
				v.fail(path+".dial", `"users", or prefixes such as "+7"`, "%q is nothing to dial", d)
			}
		}
	}
}

// advertised wants one address of a family, and none that a listener cannot have.
func (v checker) advertised() {
	families := map[bool]bool{}
	for _, a := range v.c.SIP.Advertise {
		if a.Port != 0 {
			v.fail("sip.advertise", "a port is a listener's: sip.listen: [{address: udp://0.0.0.0:5060, advertise: "+a.String()+"}]", "%s has a port, and stands for every listener", a)
		}
		if a.Addr.IsValid() && families[a.Addr.Is4()] {
			v.fail("sip.advertise", "peers are told one: give a listener its own by sip.listen: [{address: …, advertise: …}]", "%s is the second address of its family", a)
		}
		families[a.Addr.Is4()] = families[a.Addr.Is4()] || a.Addr.IsValid()
	}
	if v.c.SIP.Listen != nil && len(v.c.SIP.Listen) == 0 {
		v.fail("sip.listen", "without the key it is udp and tcp at 0.0.0.0:5060", "there is nothing to listen on")
	}
	for _, l := range v.c.SIP.Listen {
		if a := l.Advertise; a.Addr.IsValid() && a.Addr.Is4() != l.Addr.Addr().Unmap().Is4() {
			v.fail("sip.listen", "IPv4 is told by IPv4 listeners, IPv6 by IPv6 ones", "%s://%s cannot advertise %s", l.Transport, l.Addr, a)
		}
	}
}

// tls wants a whole certificate, and one for a listener that needs it.
func (v checker) tls() {
	t := v.c.SIP.TLS
	if (t.Cert == "") != (t.Key == "") {
		v.fail("sip.tls", "name both: the PEM chain and its private key", "cert and key belong together")
	}
	for _, l := range v.c.SIP.Listen {
		if (l.Transport == "tls" || l.Transport == "wss") && t.Cert == "" && t.Key == "" {
			v.fail("sip.listen", "add sip.tls: {cert: cert.pem, key: key.pem}", "%s://%s has no certificate", l.Transport, l.Addr)
		}
	}
}

func (v checker) trunks() {
	for _, t := range v.c.Trunks {
		path := "trunks." + t.Name
		for key, address := range map[string]string{"address": t.Address, "proxy": t.Proxy, "domain": t.Domain} {
			if address != "" && !validHost(address) {
				v.fail(path+"."+key, "host[:port][;transport=udp|tcp|tls|ws|wss], for ws and wss also ;path=/ws", "%q is no address", address)
			}
		}
		if t.Register.On && t.Username == "" && len(t.Accounts) == 0 {
			v.fail(path+".register", "add username and password", "there is no username to register")
		}
		for _, n := range t.From {
			if !isNumber(n) {
				v.fail(path+".from", "such as +74951234567", "%q is no phone number", n)
			}
		}
		for _, d := range t.Destinations {
			if d == "" || !isDigits(d, 0) {
				v.fail(path+".destinations", `prefixes such as "+7"; "+" is every number`, "%q is no prefix", d)
			}
		}
		for _, r := range t.Rates {
			if !isDigits(r.Name, 0) {
				v.fail(path+".rates", `prefixes such as "+7"; "+" is every number`, "%q is no prefix", r.Name)
			}
		}
		if t.MaxOut > t.MaxCalls {
			v.fail(path+".max_out", "", "%d is more than max_calls, %d", t.MaxOut, t.MaxCalls)
		}
	}
}

func validHost(text string) bool {
	m := hostShape.FindStringSubmatch(text)
	if m == nil {
		return false
	}
	port, err := strconv.Atoi(strings.TrimPrefix(m[2], ":"))
	return m[2] == "" || err == nil && port > 0 && port < 1<<16
}

// isNumber accepts what can be nothing but a phone number.
func isNumber(text string) bool {
	const shortest = 7 // shorter digits stay as they are: extensions
	return isDigits(text, 2) && (text[0] == '+' || len(text) >= shortest)
}

func (v checker) schedules() {
	for i := range v.c.Schedules {
		s := &v.c.Schedules[i]
		hours, err := schedule.Parse(s.spec())
		if err == nil {
			s.Hours = hours
			continue
		}
		path := "schedules." + s.Name
		if e, ok := err.(*schedule.Error); ok { //nolint:errorlint // Parse returns nothing else
			v.fail(path+"."+e.Field, "", "%q %s", e.Text, e.Reason)
			continue
		}
		v.fail(path, "", "%v", err)
	}
}

func (v checker) groups() {
	for _, g := range v.c.Groups {
		path := "groups." + g.Name
		if len(g.Members) == 0 {
			v.fail(path+".members", "users or numbers", "a group needs a member")
		}
		for i, m := range g.Members {
			if _, ok := v.c.User(m); !ok && !isNumber(m) {
				v.fail(fmt.Sprintf("%s.members[%d]", path, i), didYouMean(m, v.c.userNames()), "%q is neither a user nor a number", m)
			}
		}
		v.hours(path+".hours", g.Hours)
	}
}

func (v checker) hours(path, name string) {
	name = strings.TrimPrefix(name, "!")
	if _, ok := v.c.Schedule(name); name != "" && !ok {
		v.fail(path, didYouMean(name, v.c.scheduleNames()), "there is no schedule %q", name)
	}
}

// Lengths of a bearer token: what is no secret at all, and what others may not
// guess in a life.
const (
	leastToken = 3
	goodToken  = 16
)

func (v checker) services() {
	seen := map[Secret]string{}
	for _, t := range v.c.HTTP.Tokens {
		if t.Token == "" {
			continue // reported as missing, or as a variable that is not set
		}
		if other, ok := seen[t.Token]; ok {
			v.fail("http.tokens."+t.Name, "every token needs its own text", "the same token as %s", other)
		}
		seen[t.Token] = t.Name
		switch listens := v.c.HTTP.Listen.Addr(); {
		case len(t.Token) < leastToken:
			v.fail("http.tokens."+t.Name, "a long random text: `openssl rand -hex 24` makes one", "a token as short as this can be guessed")
		case len(t.Token) < goodToken && listens.IsValid() && !listens.IsLoopback():
			v.c.notices = append(v.c.notices, Notice{Message: "http.tokens." + t.Name + ": the token is short, and http.listen is open to others: `openssl rand -hex 24` makes one that is not"})
		}
	}
	if p := v.c.HTTP.Public; p != nil && p.URL != "" && !webURL(p.URL) {
		v.fail("http.public.url", "such as https://pbx.example.ru", "this is no http or https URL")
	}
	for i, w := range v.c.Webhooks {
		if w.URL != "" && !webURL(w.URL) {
			v.fail(fmt.Sprintf("webhooks[%d].url", i), "such as https://crm.example.ru/hook", "this is no http or https URL")
		}
	}
	for i, id := range v.c.HTTPClient.Clients {
		path := fmt.Sprintf("http_client.clients[%d].hosts", i)
		if id.Cert != "" && len(id.Hosts) == 0 {
			v.fail(path, "such as [bank.example.ru]", "a certificate needs the hosts that are shown it")
		}
		for _, h := range id.Hosts {
			if !clientHost.MatchString(h) {
				v.fail(path, "host, host:port or *.suffix, without https://", "%q is no host", h)
			}
		}
	}
	v.speech()
	v.crm()
}

// clientHost is how a host is written in a list of hosts.
var clientHost = regexp.MustCompile(`^(\*\.)?([\pL\pN_-]+(\.[\pL\pN_-]+)*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)

func (v checker) speech() {
	v.recognition()
	tts := v.c.Speech.TTS
	known := []string{"espeak", "rhvoice"}
	for _, e := range tts.Engines {
		known = append(known, e.Name)
		path := "speech.tts.engines." + e.Name
		switch {
		case (e.Driver == "http" || e.Driver == "openai") && !webURL(e.URL):
			v.fail(path+".url", "the address of an OpenAI-compatible /v1/audio/speech", "the driver %s needs an http or https URL", e.Driver)
		case e.Driver == "command" && len(e.Command) == 0:
			v.fail(path+".command", "[program, argument, …]: text on stdin, WAV on stdout", "the driver command needs it")
		}
	}
	check := func(path string, engines []string) {
		for _, e := range engines {
			if !slices.Contains(known, e) {
				v.fail(path, didYouMean(e, known), "there is no speech engine %q", e)
			}
		}
	}
	check("speech.tts.default", tts.Default)
	for _, l := range tts.Languages {
		check("speech.tts.languages."+l.Name, l.Engines)
	}
}

func webURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func (c *Config) trunkNames() []string {
	return names(c.Trunks, func(t Trunk) string { return t.Name })
}

func (c *Config) groupNames() []string {
	return names(c.Groups, func(g Group) string { return g.Name })
}

func (c *Config) userNames() []string {
	return names(c.SIP.Users, func(u User) string { return u.Name })
}

func (c *Config) scheduleNames() []string {
	return names(c.Schedules, func(s Schedule) string { return s.Name })
}

func names[T any](items []T, name func(T) string) []string {
	out := make([]string, len(items))
	for i, item := range items {
		out[i] = name(item)
	}
	return out
}

// recognition checks the recognisers and the orders that name them.
func (v checker) recognition() {
	asr := v.c.Speech.ASR
	var known []string
	for _, e := range asr.Engines {
		path := "speech.asr.engines." + e.Name
		known = append(known, e.Name)
		switch {
		case e.Driver == "command" && len(e.Command) == 0:
			v.fail(path+".command", "the program and its arguments: [recognise, --stdin]", "the driver command needs a command")
		case e.Driver == "vosk" && !strings.HasPrefix(e.URL, "ws://") && !strings.HasPrefix(e.URL, "wss://"):
			v.fail(path+".url", "the address of a Vosk server: ws://127.0.0.1:2700", "the driver vosk needs a ws or wss URL")
		case e.Driver == "openai" && !strings.HasPrefix(e.URL, "http://") && !strings.HasPrefix(e.URL, "https://"):
			v.fail(path+".url", "the address of an OpenAI-compatible /v1/audio/transcriptions", "the driver openai needs an http or https URL")
		}
	}
	check := func(path string, names []string) {
		for _, e := range names {
			if !slices.Contains(known, e) {
				v.fail(path, didYouMean(e, known), "there is no speech recogniser %q", e)
			}
		}
	}
	check("speech.asr.default", asr.Default)
	for _, l := range asr.Languages {
		check("speech.asr.languages."+l.Name, l.Engines)
	}
}
