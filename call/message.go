package call

import (
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip"
)

// maxSending is how many messages and INFOs of one leg may wait for their
// answers.
const maxSending = 32

// SendResult is what sendMessage and sendInfo resolve with.
type SendResult struct {
	Status string `json:"status"` // delivered, rejected, failed
	Code   int    `json:"code"`
}

// SendMessage sends a text by MESSAGE within the talk (RFC 3428).
func (l *Leg) SendMessage(text string, v Verb) {
	l.sendPage("message", v, func() error {
		return l.dialog.Message("text/plain;charset=utf-8", []byte(text))
	})
}

// SendInfo sends an INFO with that body.
func (l *Leg) SendInfo(contentType, body string, v Verb) {
	l.sendPage("INFO "+contentType, v, func() error {
		return l.dialog.Info(contentType, []byte(body))
	})
}

func (l *Leg) sendPage(what string, v Verb, send func() error) {
	switch {
	case !l.alive() || l.dialog == nil:
		v.fail(errHangup())
		return
	case l.outbound && l.state != legUp:
		v.fail(fault.New(fault.Conflict, "the other party has not answered yet"))
		return
	case len(l.sending) >= maxSending:
		l.call.deps.Counters.Refused.Add(1)
		v.fail(fault.New(fault.Limit, "%d messages wait for their answers", maxSending).WithHint("await the earlier ones"))
		return
	}
	if err := send(); err != nil {
		v.fail(err)
		return
	}
	l.note("message", what, v.At)
	l.sending = append(l.sending, func(code int) { v.ok(SendResult{Status: sendStatus(code), Code: code}) })
}

func sendStatus(code int) string {
	switch {
	case code/100 == 2:
		return "delivered"
	case code == 408 || code == 503:
		return "failed"
	}
	return "rejected"
}

// sent takes the answer to our oldest message or INFO.
func (l *Leg) sent(code int) {
	if len(l.sending) == 0 {
		return
	}
	done := l.sending[0]
	if l.sending = l.sending[1:]; done != nil {
		done(code)
	}
}

// messaged gives a MESSAGE of the other side to the script.
func (l *Leg) messaged(ev sip.Event) {
	text := string(ev.Body)
	l.note("message", "received: "+text, "")
	pairs := [][2]string{}
	for _, h := range ev.Headers {
		pairs = append(pairs, [2]string{h.Name, h.Value})
	}
	l.call.notify("message", map[string]any{
		"call": l.handle(), "text": strings.ToValidUTF8(text, "\uFFFD"), "contentType": ev.ContentType, "headers": pairs,
	})
}

// handle is the name by which the script knows who this leg belongs to: the
// legs of connect are the first leg's.
func (l *Leg) handle() string {
	if l.hidden && l.call.main != nil {
		return l.call.main.name
	}
	return l.name
}
