package testrun

import (
	"fmt"
	"strconv"
	"strings"
)

// gapShown is how long a silence has to be to be written into a test.
const gapShown = 300 // ms

// waitShown is how long a wait for words has to be to need a bound of its own:
// the default is a minute.
const waitShown = 30_000 // ms

// keysTogether is how far apart keys of one press may be: less than the
// shortest usual interDigitTimeout.
const keysTogether = 1500 // ms

// words are how many words of a prompt that a key has cut off are waited for.
const words = 3

// actions writes what the caller heard and did, in order, with the times of
// the call as comments.
func (w *scene) actions() {
	for i := 0; i < len(w.line); i++ {
		e := w.line[i]
		main := e.Leg == "a"
		switch {
		case main && e.Kind == "prompt" && strings.HasPrefix(e.Detail, "start "):
			w.hears(i)
		case main && e.Kind == "digit":
			i = w.presses(i)
		case main && e.Detail == "held by the other side":
			w.acts(e.AtMs, "await c.hold();")
		case main && e.Detail == "resumed by the other side":
			w.acts(e.AtMs, "await c.resume();")
		case main && e.Kind == "state" && strings.HasPrefix(e.Detail, "bridged with "):
			w.talks(strings.TrimPrefix(e.Detail, "bridged with "), e.AtMs)
		case e.Kind == "state" && strings.HasPrefix(e.Detail, "ended by the other side, bye"):
			w.leaves(e.Leg, e.AtMs)
		}
	}
}

// acts writes something that is done at a time of the call.
func (w *scene) acts(at int64, format string, a ...any) {
	if gap := at - w.now; gap >= gapShown {
		w.put("await c.silent(%s);", spanOf(gap))
	}
	w.now = at
	w.put("%-40s // %s", fmt.Sprintf(format, a...), stamp(at))
}

func stamp(ms int64) string { return strconv.FormatFloat(float64(ms)/1000, 'f', 1, 64) + " s" }

// hears waits for the prompt that begins with entry i: for all of it, or for
// its first words when it was cut off.
func (w *scene) hears(i int) {
	label, err := strconv.Unquote(strings.TrimPrefix(w.line[i].Detail, "start "))
	if err != nil {
		return
	}
	end, percent := w.endOf(i)
	if percent == 0 {
		return
	}
	text := spokenPart(label, percent < 100 || w.keyWithin(i, end))
	if text == "" {
		return
	}
	within := ""
	if wait := w.line[i].AtMs - w.now; wait > waitShown {
		within = fmt.Sprintf(", { within: %s }", spanOf(2*wait))
	}
	w.put("%-40s // %s", "await c.hears("+quoted(text)+within+");", stamp(w.line[i].AtMs))
	w.now = max(w.now, end)
	if k := w.keyBefore(i, end); k >= 0 {
		w.now = k
	}
}

// endOf is when the prompt of entry i was over, and how much of it was heard.
func (w *scene) endOf(i int) (at int64, percent int) {
	start := w.line[i]
	prefix := "end " + strings.TrimPrefix(start.Detail, "start ") + ": "
	for _, e := range w.line[i+1:] {
		rest, ok := strings.CutPrefix(e.Detail, prefix)
		if !ok || e.Kind != "prompt" || e.Leg != start.Leg {
			continue
		}
		text, _, _ := strings.Cut(rest, "%")
		if percent, err := strconv.Atoi(text); err == nil {
			return e.AtMs, percent
		}
	}
	return start.AtMs, 1 // the call ended before it did
}

// keyWithin reports whether a key was pressed while the prompt was heard.
func (w *scene) keyWithin(i int, end int64) bool {
	k := w.keyBefore(i, end)
	return k >= 0 && k < end
}

// keyBefore is when the first key after entry i was pressed, -1 if that was
// not before end.
func (w *scene) keyBefore(i int, end int64) int64 {
	for _, e := range w.line[i+1:] {
		if e.Kind == "digit" && e.Leg == "a" && e.AtMs <= end {
			return e.AtMs
		}
	}
	return -1
}

// spokenPart is a text that a listener waits for: the last words of a prompt
// as they were written, or the first few when only its beginning was heard.
func spokenPart(label string, cut bool) string {
	label = strings.TrimSuffix(label, "…")
	if label == "apology" {
		return "apology.wav"
	}
	var texts, files []string
	for _, p := range pieces(label) {
		switch name, isFile := strings.CutPrefix(p, "<"); {
		case strings.HasPrefix(p, "["):
		case !isFile:
			texts = append(texts, p)
		case !strings.HasPrefix(name, "tone:") && !strings.HasPrefix(name, "silence:") && !strings.HasPrefix(name, "recording "):
			files = append(files, strings.TrimSuffix(name, ">"))
		}
	}
	switch {
	case len(texts) > 0 && cut:
		list := strings.Fields(texts[0])
		return strings.Join(list[:min(len(list), words)], " ")
	case len(texts) > 0:
		return texts[len(texts)-1]
	case len(files) > 0:
		return files[0]
	}
	return ""
}

// pieces splits a label into texts, [values] and <sounds>.
func pieces(label string) []string {
	var out []string
	for label = strings.TrimSpace(label); label != ""; label = strings.TrimSpace(label) {
		end := strings.IndexAny(label, "[<")
		switch {
		case end < 0:
			end = len(label)
		case end == 0:
			closing := map[byte]string{'[': "]", '<': ">"}[label[0]]
			if end = strings.Index(label, closing) + 1; end == 0 {
				end = len(label)
			}
		}
		out = append(out, strings.TrimSpace(label[:end]))
		label = label[end:]
	}
	return out
}

// presses writes the keys from entry i on that were pressed one soon after the
// other, and returns the last of them.
func (w *scene) presses(i int) int {
	keys, last := "", i
	at, before := w.line[i].AtMs, w.line[i].AtMs
	for j := i; j < len(w.line); j++ {
		e := w.line[j]
		if e.Leg == "a" && e.Kind == "prompt" && strings.HasPrefix(e.Detail, "start ") {
			break
		}
		if e.Leg != "a" || e.Kind != "digit" {
			continue
		}
		if e.AtMs-before > keysTogether {
			break
		}
		key, _, _ := strings.Cut(e.Detail, " ")
		if key == "•" {
			key, w.secret = "0", true
		}
		keys, last, before = keys+key, j, e.AtMs
	}
	if w.secret {
		w.put("// Secret keys are masked in timelines: press yours.")
	}
	w.acts(at, "await c.press(%s);", quoted(keys))
	w.now = before
	return last
}

// handleOf is the party of a dialled leg.
func (w *scene) handleOf(leg string) string {
	for _, d := range w.legs() {
		if d.leg == leg {
			return d.handle
		}
	}
	return ""
}

// talks waits for a conversation.
func (w *scene) talks(leg string, at int64) {
	if h := w.handleOf(leg); h != "" {
		w.put("%-40s // %s", "await "+h+".answered();", stamp(at))
		w.now = at
	}
}

// leaves writes that a party hangs up.
func (w *scene) leaves(leg string, at int64) {
	if leg == "a" {
		if !w.left {
			w.acts(at, "await c.hangup();")
		}
		w.left = true
		return
	}
	if h := w.handleOf(leg); h != "" && !w.left {
		w.acts(at, "await %s.hangup();", h)
	}
}
