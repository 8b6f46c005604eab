package script

import (
	"strings"
	"testing"
)

// TestConference has what a script writes on the left and what goes over the
// wire, or is said of it, on the right.
func TestConference(t *testing.T) {
	const joined = `{"status":"completed","endedBy":"caller","talkMs":5,"recording":{"id":"room-1","durationMs":5}}`
	const handle = `const { conference } = require("loopstart:call"); const room = conference("sales", {tones: true, maxDuration: "1h"});`
	for _, c := range []struct{ source, result, asked string }{
		{`const r = await room.join(call, {muted: true, maxDuration: "2h"}); return [r.endedBy, typeof r.recording.link]`, `["caller","function"]`,
			`conference.join {"call":"a","maxDurationMs":7200000,"muted":true,"name":"sales","tones":true}`},
		{`await room.join(call, {role: "coach", coach: call, pin: "42", keys: {"*6": () => 1}, hangupOn: "#"})`, ``,
			`conference.join {"call":"a","coach":"c1","hangupOn":"#","keys":{"*6":{"$fn":1}},"maxDurationMs":3600000,"name":"sales","pin":"42","role":"coach","tones":true}`},
		{`return (await room.members())[0].who`, `"101"`, `conference.members {"name":"sales"}`},
		{`return await room.kick(7)`, ``, `conference.do {"do":"kick","member":"7","name":"sales"}`},
		{`return await room.mute({id: 7})`, ``, `conference.do {"do":"mute","member":"7","name":"sales"}`},
		{`return await room.close()`, ``, `conference.do {"do":"close","name":"sales"}`},
		{`return (await room.say("Привет", {volume: 2})).percent`, `100`, `conference.say {"name":"sales","prompt":[{"say":"Привет"}],"volume":2}`},
		{`await room.play("a.wav", {loop: true})`, ``, `conference.say {"loop":true,"name":"sales","prompt":[{"play":"a.wav"}]}`},
		{`room.on("join", () => 1)()`, ``, `conference.watch {"event":"join","name":"sales","on":1}`},
		{`await room.join({})`, `INVALID: conference.join: an object is no call`, ``},
		{`await room.join(call, {role: "coach"})`, `INVALID: conference.join: role: "coach" and coach belong together`, ``},
		{`await room.join(call, {role: "boss"})`, `INVALID: conference.join: `, ``},
		{`await room.join(call, {pin: "12a"})`, `INVALID: conference.join: `, ``},
		{`await room.join(call, {mutted: true})`, `INVALID: conference.join: `, ``},
		{`await room.kick()`, `INVALID: conference.kick: `, ``},
		{`room.on("talk", () => 1)`, `INVALID: conference.on: there is no event "talk"`, ``},
		{`conference("a/b")`, `INVALID: conference: "a/b" is no name`, ``},
		{`conference()`, `INVALID: conference: undefined is no name`, ``},
	} {
		p := &phone{t: t, answers: map[string][]string{
			"conference.join": {joined}, "conference.members": {`{"members":[{"id":1,"who":"101"}]}`}, "conference.say": {`{"completed":true,"percent":100}`},
		}}
		got := p.run(handle + c.source)
		if got != c.result && !(strings.HasPrefix(c.result, "INVALID") && strings.HasPrefix(got, c.result)) {
			t.Errorf("%s\nresult %s, want %s", c.source, got, c.result)
		}
		if c.asked != "" && (len(p.asked) == 0 || p.asked[0] != c.asked) {
			t.Errorf("%s\nasked %q, want %s", c.source, p.asked, c.asked)
		}
	}
}
