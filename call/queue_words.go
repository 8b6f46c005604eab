package call

import (
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/words"
)

// Announcement is what a caller who waits is told.
type Announcement string

// Announcements that need no words of the script's own.
const (
	AnnounceNothing  Announcement = ""
	AnnouncePosition Announcement = "position" // the place in the line
	AnnounceWait     Announcement = "wait"     // the expected time
	AnnounceBoth     Announcement = "both"
)

// How music and announcements share a caller's ear.
const (
	resumeAfter  = 250 * time.Millisecond // music looks again whether the script is done speaking
	longestWords = 60                     // minutes that are said; beyond them it is "more than an hour"
)

// queueWords are the sentences about waiting in one language.
type queueWords struct {
	tag             string
	place           func(ordinal string) string
	wait            func(minutes string) string
	minute          []string
	soon, long, any string
}

var queueTexts = map[string]queueWords{
	"ru": {
		tag: "ru", place: func(n string) string { return "Вы " + n + " в очереди." },
		wait: func(m string) string { return "Примерное время ожидания — " + m + "." }, minute: []string{"минута", "минуты", "минут"},
		soon: "Время ожидания — меньше минуты.", long: "Время ожидания — больше часа.", any: "Пожалуйста, оставайтесь на линии.",
	},
	"en": {
		tag: "en", place: func(n string) string { return "You are " + n + " in line." },
		wait: func(m string) string { return "The expected wait is about " + m + "." }, minute: []string{"minute", "minutes"},
		soon: "The expected wait is less than a minute.", long: "The expected wait is more than an hour.", any: "Please stay on the line.",
	},
	"kk": {
		tag: "kk", place: func(n string) string { return "Сіздің кезегіңіз — " + n + "." },
		wait: func(m string) string { return "Күту уақыты шамамен " + m + "." }, minute: []string{"минут"},
		soon: "Күту уақыты бір минуттан аз.", long: "Күту уақыты бір сағаттан көп.", any: "Күте тұрыңыз.",
	},
}

// queueText says where somebody stands. Languages without words here are told
// in English: silence would be worse.
func queueText(language string, what Announcement, position int, wait time.Duration, known bool) string {
	base, _, _ := strings.Cut(strings.ToLower(language), "-")
	t, ok := queueTexts[base]
	if !ok {
		t = queueTexts["en"]
	}
	var said []string
	if n, err := words.Ordinal(t.tag, itoa(position), words.Form{}); err == nil && position > 0 && what != AnnounceWait {
		said = append(said, t.place(n))
	}
	if what != AnnouncePosition && known {
		said = append(said, t.waiting(wait))
	}
	if len(said) == 0 {
		return t.any
	}
	return strings.Join(said, " ")
}

func (t queueWords) waiting(wait time.Duration) string {
	minutes := int((wait + time.Minute - 1) / time.Minute)
	switch {
	case wait < time.Minute:
		return t.soon
	case minutes > longestWords:
		return t.long
	}
	said, err := words.Count(t.tag, itoa(minutes), t.minute, words.Form{})
	if err != nil {
		return t.any
	}
	return t.wait(said)
}

// announce tells the caller where it stands, and lets the music go on. Agents
// are rung meanwhile: who answers cuts it off. A script that speaks is not
// interrupted.
func (q *queueing) announce() {
	if q.opts.Announce == AnnounceNothing && len(q.opts.Words) == 0 {
		q.music()
		return
	}
	q.next.stop()
	q.next = q.call.after(q.opts.Every, q.announce)
	if q.out || q.k.winner != nil || q.busy() {
		return
	}
	parts := q.opts.Words
	if len(parts) == 0 {
		position, wait, known := q.place.Stand()
		parts = []Part{{Text: queueText(q.call.spec.Language, q.opts.Announce, position, wait, known)}}
	}
	q.speaking = true
	q.caller.speak(parts, PromptOptions{}, q.verb.At, func(_ PromptResult, err error) {
		q.speaking = false
		if err != nil && fault.CodeOf(err) != fault.Hangup {
			q.note("announcement: " + err.Error())
		}
		q.music()
	})
}

// busy tells whether the script speaks or listens in a function of its own.
func (q *queueing) busy() bool {
	l := q.caller
	return l.gather != nil || l.message != nil || l.play != nil && l.play != q.song
}

// music plays on from where it was, as soon as nobody else speaks.
func (q *queueing) music() {
	q.idle.stop()
	if q.out || q.k.winner != nil || !q.caller.alive() || q.opts.Waiting.Silent {
		return
	}
	if q.busy() || q.speaking || q.song != nil {
		if !q.speaking && q.song == nil {
			q.idle = q.call.after(resumeAfter, q.music)
		}
		return
	}
	var song *playing
	ended := false
	q.caller.speak(q.opts.Waiting.sounds(), PromptOptions{Loop: true, From: q.songAt}, q.verb.At, func(_ PromptResult, err error) {
		ended = true
		if song != nil && song.started {
			q.songAt = song.reached
		}
		q.song = nil
		if err != nil {
			q.caller.unheard("music of the queue", q.verb.At, err)
			return
		}
		if !q.speaking && song != nil { // the script has something to say
			q.idle = q.call.after(resumeAfter, q.music)
		}
	})
	if song = q.caller.play; !ended {
		q.song = song
	}
}

// hush ends announcements and music.
func (q *queueing) hush() {
	q.next.stop()
	q.idle.stop()
	q.quiet.stop()
	if p := q.caller.play; p != nil && (p == q.song || q.speaking) {
		p.stop()
	}
}
