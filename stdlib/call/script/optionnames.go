package script

import "slices"

// optionNames are the options of verbs, for checks that read a script without
// running it. A test holds them against what the verbs take.
var optionNames = map[string]struct {
	argument int // which one is the options object, from 0
	names    []string
}{
	"answer":      {0, []string{"headers"}},
	"reject":      {0, []string{"code", "reason", "headers"}},
	"hangup":      {0, []string{"code", "reason", "headers"}},
	"say":         {1, append([]string{"loop", "from"}, voiceOptions...)},
	"play":        {1, append([]string{"loop", "from"}, voiceOptions...)},
	"prompt":      {1, append([]string{"loop", "from"}, voiceOptions...)},
	"gather":      {0, append([]string{"digits", "finishOn", "validate", "secret", "speech"}, collectOptions...)},
	"menu":        {0, append([]string{"choices", "repeat", "-speech"}, collectOptions...)},
	"record":      {0, []string{"maxDuration", "silence", "finishOn", "beep", "format", "signal"}},
	"hold":        {0, []string{"music"}},
	"stream":      {1, []string{"track", "format", "parameters", "headers", "protocols", "reconnect", "buffer", "signal"}},
	"sendDigits":  {1, []string{"method", "signal"}},
	"transfer":    {1, []string{"timeout", "headers", "signal", "attended"}},
	"bridge":      {1, []string{"maxDuration", "record", "signal"}},
	"retry":       {0, []string{"in", "at", "never", "stopList"}},
	"sendMessage": {1, []string{"signal"}},
	"sendInfo":    {2, []string{"signal"}},
	"connect": {1, []string{"timeout", "strategy", "from", "trunk", "hide", "music", "whisper", "accept", "maxDuration", "record", "headers",
		"hangupOn", "keys", "onRing", "onAnswer", "signal"}},
	"detectMachine": {0, append([]string{"signal"}, machineOptions...)},
	"waitForBeep":   {0, []string{"timeout", "signal"}},
}

// OptionsOf are the options of a verb and the number of the argument that
// holds them; ok is false for a verb that is not known to have any. What later
// versions have is among them.
func OptionsOf(verb string) (argument int, names []string, ok bool) {
	o, ok := optionNames[verb]
	for _, name := range o.names {
		if name[0] == '-' {
			name = name[1:]
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return o.argument, names, ok
}

// Waiting are the verbs that resolve when something is over: a script that does
// not await them goes on at once.
func Waiting() []string {
	return []string{"answer", "bridge", "connect", "gather", "hangup", "hold", "menu", "play", "progress", "prompt", "record", "redirect",
		"reject", "retry", "ring", "say", "sendDigits", "sendInfo", "sendMessage", "stream", "waitForBeep", "transfer", "unbridge", "unhold", "mute", "unmute"}
}
