package engine

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/internal/duration"
	"github.com/loopstart/loopstart/internal/fault"
)

// hookSign is config.hook.sign: what a request has to be signed with.
type hookSign struct {
	// Secret names entries of secrets in loopstart.yaml; any may have signed, so
	// that a secret can be changed without a gap.
	Secret oneOrMany `json:"secret"`
	// Header holds the signature. "t=UNIX,v1=HEX" signs the time, a dot and the
	// body; anything else is the HMAC-SHA256 of the body in hex or base64, maybe
	// after "sha256=".
	Header string `json:"header"`
	// Timestamp is a header with Unix seconds that is signed before the body,
	// with a dot between.
	Timestamp string `json:"timestamp"`
	Window    string `json:"window"`

	window time.Duration
}

const (
	signatureHeader = "Loopstart-Signature"
	// defaultSignWindow is how far a signed time may be from ours.
	defaultSignWindow = 5 * time.Minute
	maxSignWindow     = time.Hour
	// maxSeenSignatures is how many signed requests are remembered, so that one
	// that was overheard cannot be sent again.
	maxSeenSignatures = 10_000
	maxSignatures     = 8 // in one header
)

// UnmarshalJSON implements json.Unmarshaler: a name alone is its secret.
func (s *hookSign) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &s.Secret)
	}
	type plain hookSign
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	return dec.Decode((*plain)(s))
}

// parse checks what does not need the configuration.
func (s *hookSign) parse(script string) (err error) {
	if len(s.Secret) == 0 || slices.Contains(s.Secret, "") {
		return fault.New(fault.Invalid, "script %s: config.hook.sign has no secret", script).WithHint(`name an entry of secrets in loopstart.yaml: {sign: "CRM_HOOK"}`)
	}
	if s.Header == "" {
		s.Header = signatureHeader
	}
	if s.window = defaultSignWindow; s.Window != "" {
		if s.window, err = duration.Parse(s.Window); err != nil || s.window <= 0 || s.window > maxSignWindow {
			return fault.New(fault.Invalid, "script %s: config.hook.sign.window: %q is no duration up to %s", script, s.Window, maxSignWindow).WithHint(`write "5m"`)
		}
	}
	return nil
}

// signature is what a header says.
type signature struct {
	at     string // Unix seconds as they were signed; "" without a time
	values [][]byte
}

// read takes the signature header apart.
func (s *hookSign) read(r HookRequest) (sig signature) {
	text := hookHeader(r, s.Header)
	for part := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case ok && name == "t":
			sig.at = value
		case ok && name == "v1" && len(sig.values) < maxSignatures:
			sig.values = append(sig.values, digest(value))
		}
	}
	if sig.at != "" {
		return sig
	}
	text = strings.TrimPrefix(strings.TrimSpace(text), "sha256=")
	sig.values = [][]byte{digest(text)}
	if s.Timestamp != "" {
		sig.at = hookHeader(r, s.Timestamp)
	}
	return sig
}

// digest reads hex or base64; nil is neither.
func digest(text string) []byte {
	for _, decode := range []func(string) ([]byte, error){hex.DecodeString, base64.StdEncoding.DecodeString, base64.RawURLEncoding.DecodeString} {
		if b, err := decode(text); err == nil && len(b) == sha256.Size {
			return b
		}
	}
	return nil
}

// checkSignature refuses a request that the script's sender has not signed. It
// returns what takes the signature back for a request that was not served: its
// sender will send it again.
func (e *Engine) checkSignature(script string, s *hookSign, r HookRequest) (forget func(), err error) {
	sig := s.read(r)
	text := r.Body
	timed := s.Timestamp != "" || sig.at != "" || strings.EqualFold(s.Header, signatureHeader)
	if timed {
		text = append([]byte(sig.at+"."), r.Body...)
	}
	found, err := e.signedBy(script, s, text, sig.values)
	switch {
	case err != nil:
		return nil, err
	case found == nil:
		return nil, fault.New(fault.Unauthorized, "hook %s: wrong or missing signature in %s", script, s.Header)
	case !timed:
		return func() {}, nil
	}
	unix, err := strconv.ParseInt(sig.at, 10, 64)
	now := e.clk.Now()
	if at := time.Unix(unix, 0); err != nil || at.Before(now.Add(-s.window)) || at.After(now.Add(s.window)) {
		return nil, fault.New(fault.Unauthorized, "hook %s: the signature is not of the last %s", script, s.window).
			WithHint("is the clock of the sender right?")
	}
	name := script + " " + string(found)
	if !e.seen.first(name, now, 2*s.window) {
		return nil, fault.New(fault.Conflict, "hook %s: this request came before", script).WithHint("sign each request anew")
	}
	return func() { e.seen.forget(name) }, nil
}

// signedBy is the signature that one of the secrets makes, nil if there is
// none. Every pair is compared, each in constant time.
func (e *Engine) signedBy(script string, s *hookSign, text []byte, values [][]byte) (found []byte, err error) {
	cfg := e.Config()
	for _, name := range s.Secret {
		secret, ok := cfg.Secret(name)
		if !ok || secret.Reveal() == "" {
			e.log.Error("hook refused: there is no secret to check its signature with", "script", script, "secret", name)
			return nil, fault.New(fault.Unavailable, "hook %s is not set up", script)
		}
		m := hmac.New(sha256.New, []byte(secret.Reveal()))
		m.Write(text)
		want := m.Sum(nil)
		for _, have := range values {
			if hmac.Equal(want, have) {
				found = want
			}
		}
	}
	return found, nil
}

// signatures remembers what was served, in the order in which it came.
type signatures struct {
	mu    sync.Mutex
	until map[string]time.Time
	order []string

	Forgotten atomic.Int64 // before their time, for want of room
	Replays   atomic.Int64
}

// first notes name until its time and reports whether it is new.
func (s *signatures) first(name string, now time.Time, keep time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.until[name]; ok && now.Before(at) {
		s.Replays.Add(1)
		return false
	}
	if s.until == nil {
		s.until = map[string]time.Time{}
	}
	for len(s.order) > 0 && (len(s.order) >= maxSeenSignatures || !now.Before(s.until[s.order[0]])) {
		if at, ok := s.until[s.order[0]]; ok && now.Before(at) {
			s.Forgotten.Add(1)
		}
		delete(s.until, s.order[0])
		s.order = s.order[1:]
	}
	if _, again := s.until[name]; !again {
		s.order = append(s.order, name)
	}
	s.until[name] = now.Add(keep)
	return true
}

func (s *signatures) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.until[name]; ok {
		s.until[name] = time.Time{} // it stays in order until its turn
	}
}
