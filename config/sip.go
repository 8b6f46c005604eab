package config

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// SIP is where SIP is listened to and who may use it.
type SIP struct {
	Listen    []Listener     `yaml:"listen" default:"[udp://0.0.0.0:5060, tcp://0.0.0.0:5060]" doc:"udp://, tcp://, tls://, ws:// or wss:// addresses; one with an advertise of its own: {address: udp://0.0.0.0:5060, advertise: pbx.example.ru:15060}."`
	Advertise []Advertised   `yaml:"advertise" doc:"Public address behind NAT, or a host name that is looked up again; one for IPv4 and one for IPv6; default: the interface's."`
	Local     []Network      `yaml:"local_networks" default:"[auto]" doc:"Networks whose peers are told the interface's address and not advertise; auto: private ones, and where advertise is private itself those of our interfaces; []: none but loopback."`
	Trust     []netip.Prefix `yaml:"trust" default:"[127.0.0.0/8, \"::1\"]" doc:"Sources that reach the routes unchallenged and are never banned."`
	Users     []User         `yaml:"users,keyed" doc:"Accounts that may register here."`
	Realm     string         `yaml:"realm" default:"loopstart" doc:"Realm of the digest challenge."`
	KeepAlive time.Duration  `yaml:"keep_alive" least:"100ms" default:"25s" off:"yes" doc:"Interval of empty packets (double CRLF, RFC 5626) that keep the way to phones of users behind a NAT open; off: their own keep-alives do."`
	Agent     string         `yaml:"agent" default:"loopstart" doc:"User-Agent and Server header."`
	TLS       SIPTLS         `yaml:"tls" doc:"SIP over TLS."`
	Origins   []string       `yaml:"origins" doc:"Pages of other hosts that may open ws:// and wss:// listeners: host patterns such as phone.example.ru or *.example.ru; * is any."`
	Ban       time.Duration  `yaml:"ban" least:"100ms" default:"10m" off:"yes" doc:"How long a source is not heard that scans or guesses passwords; off: none is."`
	Trace     bool           `yaml:"trace" default:"true" doc:"Keep the SIP messages of each call, secrets masked, with its timeline."`
}

// Listener is one address of sip.listen.
type Listener struct {
	Transport string // udp, tcp, tls, ws, wss
	Addr      netip.AddrPort
	Advertise Advertised // of this listener, before sip.advertise
}

// Advertised is an address that peers are told in place of our own: an IP
// address, or a name that DNS leads to one.
type Advertised struct {
	Addr netip.Addr
	Name string // when Addr is invalid
	Port uint16 // of a listener's own; 0 is the port that it listens on
}

// IsValid tells that there is one.
func (a Advertised) IsValid() bool { return a.Addr.IsValid() || a.Name != "" }

// String writes it as the file has it.
func (a Advertised) String() string {
	host := a.Name
	switch {
	case !a.IsValid():
		return ""
	case a.Addr.IsValid() && a.Port != 0:
		return netip.AddrPortFrom(a.Addr, a.Port).String()
	case a.Addr.IsValid():
		return a.Addr.String()
	case a.Port != 0:
		host += ":" + strconv.Itoa(int(a.Port))
	}
	return host
}

// Network is an entry of sip.local_networks; the invalid prefix is auto.
type Network struct{ netip.Prefix }

// String writes it as the file has it.
func (n Network) String() string {
	if !n.IsValid() {
		return auto
	}
	return n.Prefix.String()
}

// auto lets the program find out what belongs here.
const auto = "auto"

// SIPTLS is our certificate for tls:// listeners, and whose certificates we
// believe. The files are read again when they change.
type SIPTLS struct {
	Cert string   `yaml:"cert" doc:"PEM file of the certificate chain; tls:// and wss:// listeners need one."`
	Key  string   `yaml:"key" doc:"PEM file of the private key."`
	CA   []string `yaml:"ca" doc:"PEM files of authorities that are trusted beside the system's, for trunks over TLS."`
}

// TLS names a certificate's files.
type TLS struct {
	Cert string `yaml:"cert" required:"yes" doc:"PEM file of the certificate chain."`
	Key  string `yaml:"key" required:"yes" doc:"PEM file of the private key."`
}

// User is an account that may register: an operator, a softphone.
type User struct {
	Name     string   `yaml:"-"`
	Password Secret   `yaml:"password" required:"yes" doc:"Digest password."`
	Display  string   `yaml:"name" doc:"Display name."`
	Mobile   string   `yaml:"mobile" doc:"Number that belongs to the same person."`
	MaxCalls int      `yaml:"max_calls" default:"1" range:"1..1000" doc:"Calls at once that ring its phones. Beside its calls a phone may make one more, to ask somebody before a transfer; beyond that it gets 486."`
	Dial     []string `yaml:"dial" default:"[users]" doc:"What this user may dial: users, or prefixes such as +7."`
	SRTP     string   `yaml:"srtp" default:"auto" enum:"auto off optional required" doc:"Encryption of the audio; auto: taken when the phone offers it, offered over TLS."`
	Redirect string   `yaml:"redirect" default:"refuse" enum:"refuse follow" doc:"Whether a forwarding set at this user's phone (3xx) is followed, to what the user may dial."`
	Transfer string   `yaml:"transfer" default:"users" enum:"off users any" doc:"Where this user may transfer a call to."`
	Skills   []Skill  `yaml:"skills,keyed" doc:"What this agent can do, for queues: {billing: 2}."`
}

// Skill is one thing that an agent can do, and how well.
type Skill struct {
	Name  string // billing
	Level int    `yaml:",inline" range:"1..100"`
}

// Trunk is a provider or a PBX.
type Trunk struct {
	Name         string         `yaml:"-"`
	Address      string         `yaml:"address" required:"yes" doc:"Request-URI and domain: host[:port][;transport=udp|tcp|tls|ws|wss][;path=/ws]."`
	Proxy        string         `yaml:"proxy" doc:"Where packets go, if elsewhere."`
	Domain       string         `yaml:"domain" doc:"Domain of From and To, if it differs from the address."`
	Username     string         `yaml:"username" doc:"User of From, Contact and REGISTER."`
	AuthUser     string         `yaml:"auth_user" doc:"Digest user; default: username."`
	Password     Secret         `yaml:"password" doc:"Digest password."`
	Accounts     []Account      `yaml:"accounts" doc:"Several accounts to register."`
	Register     Register       `yaml:"register" default:"false" doc:"true, false or {expires: 300s}."`
	From         []string       `yaml:"from" some:"leave the key out: the trunk then presents its username" doc:"Caller numbers this trunk may present."`
	Allow        []netip.Prefix `yaml:"allow" some:"leave the key out for what address and proxy resolve to" doc:"Sources accepted as this trunk; default: what address and proxy resolve to."`
	DID          []string       `yaml:"did" some:"leave the key out for the usual ones" default:"[request-uri, to, p-called-party-id, diversion]" enum:"request-uri to p-called-party-id diversion history-info x-did" doc:"Headers searched for a number we own, in order."`
	Caller       []string       `yaml:"caller" some:"leave the key out for the usual ones" default:"[p-asserted-identity, from]" enum:"p-asserted-identity remote-party-id p-preferred-identity from" doc:"Headers believed for the caller's number, in order."`
	Present      string         `yaml:"present" default:"from" enum:"from pai ppi rpid" doc:"Header that carries our number."`
	Forwarded    string         `yaml:"forwarded" default:"diversion" enum:"off diversion history-info both" doc:"Header that tells of a forwarded call which number was called first."`
	Format       string         `yaml:"format" default:"e164" enum:"e164 digits national" doc:"+7916…, 7916… or 8916…."`
	Codecs       []string       `yaml:"codecs" some:"leave the key out for media.codecs" enum:"PCMA PCMU G722 opus" doc:"Order of the offer; default: media.codecs."`
	DTMF         string         `yaml:"dtmf" default:"auto" enum:"auto rfc4733 info inband" doc:"How keys travel; auto: in the audio only if telephone-event is not agreed."`
	EarlyMedia   string         `yaml:"early_media" default:"pass" enum:"pass ringback ignore" doc:"What the caller hears before the answer: what the trunk sends, our ring tone, or nothing."`
	EarlyTones   string         `yaml:"early_tones" default:"act" enum:"act note" doc:"A busy or reorder tone before the answer ends the dial, or is only noted."`
	Redirect     string         `yaml:"redirect" default:"refuse" enum:"refuse follow" doc:"What becomes of a 3xx answer: the end of the dial, or its Contacts are dialled by the rules of any number."`
	SRTP         string         `yaml:"srtp" default:"off" enum:"off optional required" doc:"Encryption of the audio (SRTP, keys in the session description); required: calls without are refused."`
	SessionTimer SessionTimer   `yaml:"session_timer" default:"accept" doc:"accept, off or an interval such as 1800s."`
	Options      time.Duration  `yaml:"options" least:"100ms" default:"30s" off:"yes" doc:"Interval of OPTIONS pings, or off."`
	KeepAlive    time.Duration  `yaml:"keep_alive" least:"100ms" default:"off" off:"yes" doc:"Interval of empty packets (double CRLF, RFC 5626) that keep a NAT's way open, or off: OPTIONS do it as well."`
	MaxCalls     int            `yaml:"max_calls" default:"30" range:"1..1000000" doc:"Calls at once, both directions."`
	MaxOut       int            `yaml:"max_out" range:"1..1000000" doc:"Of max_calls, how many we may start; default: all."`
	MaxCPS       float64        `yaml:"max_cps" default:"5" range:"0.01..10000" doc:"New outgoing calls a second."`
	Rates        []Rate         `yaml:"rates,keyed" doc:"What a minute costs, by prefix: {\"+7\": 1.5, \"+\": 30}; 1 where none fits. For cost_per_day."`
	CostPerDay   float64        `yaml:"cost_per_day" range:"0..1000000000" doc:"Spending a day through this trunk; 0: no cap."`
	Destinations []string       `yaml:"destinations" some:"prefixes such as +7; leave the key out for the country of the project" doc:"Prefixes that may be dialled; default: the project's country."`
}

// Transport is the one that the trunk's address asks for, "" when it is left to
// DNS or to us.
func (t *Trunk) Transport() string {
	host := t.Address
	if t.Proxy != "" {
		host = t.Proxy
	}
	for p := range strings.SplitSeq(host, ";") {
		if name, value, _ := strings.Cut(strings.TrimSpace(p), "="); strings.EqualFold(name, "transport") {
			return strings.ToLower(strings.TrimSpace(value))
		}
	}
	return ""
}

// Private tells whether what is said over a SIP transport travels unseen.
func Private(transport string) bool { return transport == "tls" || transport == "wss" }

// Rate is what a started minute to a prefix costs, in whatever currency
// cost_per_day is.
type Rate struct {
	Name      string  // the prefix
	PerMinute float64 `yaml:",inline" range:"0..1000000"`
}

// Account is one of several registrations of a trunk.
type Account struct {
	Username string `yaml:"username" required:"yes" doc:"User of From, Contact and REGISTER."`
	Password Secret `yaml:"password" required:"yes" doc:"Digest password."`
	Number   string `yaml:"number" doc:"The number of this account."`
}

// Register is trunks.X.register: false, true, or {expires: 300s}.
type Register struct {
	On      bool
	Expires time.Duration // asked for; the registrar may shorten it
}

// SessionTimer is trunks.X.session_timer: accept (both zero), off, or the
// Session-Expires interval we ask for (RFC 4028).
type SessionTimer struct {
	Off      bool
	Interval time.Duration
}
