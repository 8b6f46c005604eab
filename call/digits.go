package call

import (
	"strconv"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/sip"
)

func itoa(n int) string { return strconv.Itoa(n) }

// mediaEvent takes one event of the leg's media session.
// mediaOf takes an event of a session of the leg. An earlier one's only count
// for what is complete by it: its playbacks have numbers of their own.
func (l *Leg) mediaOf(s *media.Session, ev media.Event) {
	if s == l.session || ev.Kind == media.RecordEnded || l.session == nil || l.state == legEnded {
		l.mediaEvent(ev)
	}
}

func (l *Leg) mediaEvent(ev media.Event) {
	switch {
	case ev.Kind == media.PlayEnded || ev.Kind == media.RecordEnded:
		l.mediaDone(ev)
		return
	case l.state == legEnded:
		return
	}
	switch ev.Kind {
	case media.DigitBegan:
		l.rfc4733 = true
		l.digit(ev.Digit, "rtp")
	case media.FeedMark, media.TapEnded:
		l.streamEvent(ev)
	case media.FirstPacket:
		l.call.line.Add(ev.At, "media", l.name, "first packet received", "")
	case media.MediaUnreadable:
		l.note("media", "packets come that the agreed SRTP keys do not open; they are dropped", "")
	case media.NameFound:
		l.peerNamed(ev)
	case media.MediaLost:
		l.mediaLost()
	case media.DigitsSent:
		if v := l.sendingID; v != nil {
			l.sendingID = nil
			v.ok(nil)
		}
	}
}

// mediaLost ends a talk from which no packets come. Who rings need not send:
// with the answer the time begins anew.
func (l *Leg) mediaLost() {
	if l.state < legUp {
		return
	}
	l.note("media", "no packets: media timeout", "")
	l.reason = "media timeout"
	l.hangup(sip.Header{Name: "Reason", Value: `Q.850;cause=31;text="media timeout"`})
}

// mediaDone takes the end of a playback or recording, which may come after the
// end of the leg: what was heard and written counts all the same.
func (l *Leg) mediaDone(ev media.Event) {
	if p := l.heard[ev.Play]; p != nil && ev.Kind == media.PlayEnded {
		delete(l.heard, ev.Play)
		p.ended(ev)
	}
	if r := l.writing[ev.Recorder]; r != nil && ev.Kind == media.RecordEnded {
		delete(l.writing, ev.Recorder)
		r.ended(ev)
	}
	if l.state == legEnded {
		l.call.tryFinish()
	}
}

// digit takes a key from whichever way it came.
func (l *Leg) digit(d byte, way string) {
	shown := string(d)
	if l.gather != nil && l.gather.secret {
		shown = "•"
	}
	l.note("digit", shown+" ("+way+")", "")
	if shown == string(d) {
		l.streamDigit(d)
	}
	if l == l.call.main && !l.call.facts.keyPressed {
		l.call.facts.keyPressed = true
		l.call.deps.Observer.Said(l.call)
	}
	l.call.keyOf(l, d, shown)
	switch {
	case l.message != nil && l.message.key(d):
	case l.gather != nil:
		l.bargeIntoOther(d)
		if ear := l.gather.ear; ear != nil && (!l.gather.state.playing || l.gather.state.bargeIn) {
			ear.disarm() // the key came first
		}
		l.gather.run(l.gather.state.digit(d))
	case l.talk != nil && l.talk.key(l, d):
	case l.room != nil && l.room.key(d):
	case l.call.connect.waitingKey(l, d):
	default:
		l.typeAhead(d)
		if p := l.play; p != nil && p.bargeIn {
			p.digit = string(d)
			p.stop()
		}
	}
}

// bargeIntoOther lets a key end a prompt that plays beside a gather without a
// prompt of its own.
func (l *Leg) bargeIntoOther(d byte) {
	if p := l.play; p != nil && p.bargeIn && !l.gather.state.playing {
		p.digit = string(d)
		p.stop()
	}
}

func (l *Leg) typeAhead(d byte) {
	if l.typed += string(d); len(l.typed) > MaxTypedAhead {
		l.typed = l.typed[1:]
	}
}

// keyOf tells the script of a key, for call.on("digit") and call.digits.
func (c *Call) keyOf(l *Leg, d byte, shown string) {
	if shown != string(d) {
		return
	}
	c.notify("digit", map[string]any{"call": l.name, "digit": shown})
}

// info takes a SIP INFO: a key, or something for call.on("info").
func (l *Leg) info(ev sip.Event) {
	if d, ok := InfoDigit(ev.ContentType, ev.Body); ok {
		// A gateway that sends both ways must not press twice.
		if !l.rfc4733 {
			l.digit(d, "info")
		}
		return
	}
	l.note("sip", "INFO "+ev.ContentType, "")
	l.call.notify("info", map[string]any{"call": l.name, "type": ev.ContentType, "body": string(ev.Body)})
}

// InfoDigit reads a key from the body of an INFO: application/dtmf-relay
// ("Signal=5") or application/dtmf ("5"). Signals 10 and 11 are * and #.
func InfoDigit(contentType string, body []byte) (byte, bool) {
	kind, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	switch strings.TrimSpace(kind) {
	case "application/dtmf":
		return infoSignal(strings.TrimSpace(string(body)))
	case "application/dtmf-relay":
		for line := range strings.Lines(string(body)) {
			name, value, ok := strings.Cut(line, "=")
			if ok && strings.EqualFold(strings.TrimSpace(name), "signal") {
				return infoSignal(strings.TrimSpace(value))
			}
		}
	}
	return 0, false
}

func infoSignal(s string) (byte, bool) {
	switch s {
	case "10":
		return '*', true
	case "11":
		return '#', true
	}
	if len(s) == 1 && strings.ContainsAny(s, "0123456789*#ABCDabcd") {
		return strings.ToUpper(s)[0], true
	}
	return 0, false
}

// SendDigits presses keys towards the leg's party: by the method of its trunk
// when none is named ("rfc4733", "info", "inband").
func (l *Leg) SendDigits(digits, method string, v Verb) {
	switch {
	case !l.alive() || l.state != legUp:
		v.fail(errHangup())
	case strings.Trim(strings.ToUpper(digits), "0123456789*#ABCDW,") != "" || digits == "":
		v.fail(fault.New(fault.Invalid, "digits %q", digits).WithHint("use 0-9 * # A-D and w for half a second"))
	case l.sendingID != nil:
		v.fail(fault.New(fault.Conflict, "digits are being sent already").WithHint("await the first sendDigits"))
	case method == "info" || method == "" && l.session.Digits() == media.DigitsInfo:
		l.infoDigits(strings.ToUpper(digits), v)
	default:
		send := l.session.SendDigits
		if method == "inband" {
			send = l.session.SendTones
		}
		if err := send(strings.ReplaceAll(strings.ToUpper(digits), "W", "w")); err != nil {
			v.fail(err)
			return
		}
		l.note("digit", "sending "+digits, v.At)
		l.sendingID = &v
	}
}

// infoDigits sends keys one after another as SIP INFO, 300 ms apart.
func (l *Leg) infoDigits(digits string, v Verb) {
	if digits == "" {
		v.ok(nil)
		return
	}
	if !l.alive() {
		v.fail(errHangup())
		return
	}
	gap := infoGap
	if digits[0] == 'W' {
		gap = infoPause
	} else if err := l.dialog.Info("application/dtmf-relay", []byte("Signal="+digits[:1]+"\r\nDuration=160\r\n")); err != nil {
		v.fail(err)
		return
	} else if digits[0] != 'W' {
		l.sending = append(l.sending, nil)
	}
	l.call.after(gap, func() { l.infoDigits(digits[1:], v) })
}
