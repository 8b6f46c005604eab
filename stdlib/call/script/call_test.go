package script

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/runtime/message"
	"github.com/loopstart/loopstart/stdlib/internal/scripttest"
)

const factsJSON = `{"handle":"a","id":"c1","direction":"inbound","from":{"uri":"sip:+79161234567@h","user":"+79161234567","host":"h","e164":"+79161234567"},
"to":{"uri":"sip:t@h","user":"t","host":"h"},"remote":{"uri":"sip:+79161234567@h","user":"+79161234567","host":"h"},"headers":[["X-Order","7"],["x-order","8"],["Via","v"]],
"data":{"name":"Anna"},"script":"test","startedAt":"2026-11-21T10:00:00Z","state":"ringing","language":"ru-RU"}`

const legJSON = `{"handle":"b","id":"c1/b","direction":"outbound","from":{},"to":{},"remote":{},"headers":[],"data":{},"script":"test","startedAt":"2026-11-21T10:00:01Z","answeredAt":"2026-11-21T10:00:02Z","state":"answered"}`

// phone answers verbs from a list and keeps what it was asked.
type phone struct {
	t       *testing.T
	facts   string              // of the call; "" is factsJSON
	answers map[string][]string // JSON by method, used in turn; the last one stays
	asked   []string
	before  func(h *scripttest.Host, r message.Request, seq uint32) (any, error)
}

func (p *phone) answer(h *scripttest.Host, r message.Request, seq uint32) (any, error) {
	p.asked = append(p.asked, r.Method+" "+string(r.Args))
	if p.before != nil {
		if v, err := p.before(h, r, seq); v != nil || err != nil {
			return v, err
		}
	}
	list := p.answers[r.Method]
	if len(list) == 0 {
		return nil, nil
	}
	if len(list) > 1 {
		p.answers[r.Method] = list[1:]
	}
	return json.RawMessage(list[0]), nil
}

func (p *phone) run(source string) string {
	p.t.Helper()
	calls := New()
	o, _ := scripttest.Run{
		Source:   `const { dial } = require("loopstart:call");` + source,
		Argument: json.RawMessage(cmp.Or(p.facts, factsJSON)),
		Options: runtime.Options{Modules: []runtime.Module{calls}, Globals: abortGlobals,
			Arguments: map[string]runtime.Argument{"default": calls.Argument}},
		Host: p.answer,
		Env:  message.Environment{Zone: "Europe/Moscow"},
	}.Do(p.t)
	for deadline := time.After(5 * time.Second); calls.known() > 0; {
		select {
		case <-deadline:
			p.t.Fatal("the module still knows a VM that has ended")
		case <-time.After(time.Millisecond):
		}
	}
	if o.Error != nil {
		return strings.TrimSuffix(fmt.Sprintf("%s: %s | %s", o.Error.Code, o.Error.Message, o.Error.Hint), " | ")
	}
	return string(o.Value)
}

func (c *Calls) known() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.sessions)
}

// abortGlobals is a small AbortController; the real one is tested in web.
func abortGlobals(vm *runtime.VM) error {
	_, err := vm.Runtime().RunString(`globalThis.AbortController = class {
		constructor() { const fns = new Set(); this.signal = { aborted: false, reason: undefined,
			addEventListener: (_, f) => fns.add(f), removeEventListener: (_, f) => fns.delete(f), fns }; }
		abort(reason) { this.signal.aborted = true; this.signal.reason = reason; for (const f of [...this.signal.fns]) f(); }
	}`)
	return err
}

func (p *phone) heard(t *testing.T, want string) {
	t.Helper()
	if want != "" && !slices.ContainsFunc(p.asked, func(s string) bool { return s == want }) {
		t.Errorf("asked\n%s\nwithout\n%s", strings.Join(p.asked, "\n"), want)
	}
}

func TestVerbs(t *testing.T) {
	tests := []struct{ source, want, asked string }{
		{`return (await call.answer()) ?? call.answeredAt`, `"2026-11-21T10:00:05Z"`, `call.answer {"call":"a"}`},
		{`await call.answer({headers: {"X-A": 1}})`, ``, `call.answer {"call":"a","headers":[["X-A","1"]]}`},
		{`await call.ring(); await call.progress(); await call.stop(); await call.unbridge(); await call.unhold()`, ``, `call.unhold {"call":"a"}`},
		{`await call.reject()`, ``, `call.reject {"call":"a","code":603}`},
		{`await call.reject(486, "Busy Here")`, ``, `call.reject {"call":"a","code":486,"reason":"Busy Here"}`},
		{`await call.reject({code: 480})`, ``, `call.reject {"call":"a","code":480}`},
		{`await call.reject(200)`, `INVALID: call.reject: option "code" is 200, a whole number from 300 to 699 is wanted`, ``},
		{`await call.redirect("sip:b@c")`, ``, `call.redirect {"call":"a","uri":"sip:b@c"}`},
		{`await call.redirect()`, `INVALID: call.redirect: the target is undefined, a text is wanted | a group, a user, a number such as "+79161234567" or a sip: URI`, ``},
		{`await call.hangup()`, ``, `call.hangup {"call":"a"}`},
		{`return await call.say("Привет", {volume: 0.5, bargeIn: true, language: "ru-RU"})`, `{"completed":true,"playedMs":10,"percent":100}`,
			`call.say {"bargeIn":true,"call":"a","language":"ru-RU","prompt":[{"say":"Привет"}],"volume":0.5}`},
		{`await call.play("wait.mp3", {loop: true})`, ``, `call.play {"call":"a","loop":true,"prompt":[{"play":"wait.mp3"}]}`},
		{`await call.prompt(["a", {play: "b.wav"}, {digits: 123}, {spell: "AB"}, {phone: "+7916"}, {time: "9:05"}, {number: "1 521,50", case: "gen", gender: "f"}])`, ``,
			`call.prompt {"call":"a","prompt":[{"say":"a"},{"play":"b.wav"},{"digits":"123"},{"spell":"AB"},{"phone":"+7916"},{"time":"09:05"},{"case":"gen","gender":"f","number":"1521.50"}]}`},
		{`await call.say([{count: 5, of: ["заказ", "заказа", "заказов"]}, {money: 10.5, currency: "RUB"}, {date: "31.12.2026", case: "gen"}, {date: new Date(0)}, {say: "x", voice: "anna"}])`, ``,
			`call.say {"call":"a","prompt":[{"count":"5","of":["заказ","заказа","заказов"]},{"currency":"RUB","money":"10.5"},{"case":"gen","date":"2026-12-31"},{"date":"1970-01-01T03:00:00+03:00"},{"say":"x","voice":"anna"}]}`},
		{`await call.say({digits: call.data.order})`, `INVALID: call.say {digits} is undefined | is the field missing in call.data?`, ``},
		{`await call.say()`, `INVALID: call.say is undefined, a text or a part such as { digits: "123" } is wanted`, ``},
		{`await call.say("  ")`, `INVALID: call.say is an empty text`, ``},
		{`await call.say([])`, `INVALID: call.say: a prompt has 1 to 100 parts, this one has 0`, ``},
		{`await call.say({digit: "1"})`, `INVALID: call.say is an object of no known kind | did you mean digits?`, ``},
		{`await call.say({digits: "1", spell: "a"})`, `INVALID: call.say is digits and spell at once | make a part of each`, ``},
		{`await call.say([{money: "12 rub"}])`, `INVALID: call.say: part 1 {money}: option "money" is "12 rub", a number such as 1521.5 or "1521,50" is wanted`, ``},
		{`await call.say({number: 5, case: "genitive"})`, `INVALID: call.say {number}: option "case" is "genitive", one of nom, gen, dat, acc, ins, pre is wanted`, ``},
		{`await call.say({date: "31.02.2026"})`, `INVALID: call.say {date}: option "date" is "31.02.2026", a Date, 2026-12-31 or 31.12.2026 is wanted`, ``},
		{`await call.say({time: "25:00"})`, `INVALID: call.say {time}: option "time" is "25:00", a time such as 09:30 or a Date is wanted`, ``},
		{`await call.say("x", {volum: 1})`, `INVALID: call.say: unknown option "volum" | did you mean volume?`, ``},
		{`await call.play("x.wav", {from: "1m30s"})`, ``, `call.play {"call":"a","fromMs":90000,"prompt":[{"play":"x.wav"}]}`},
		{`await call.pause()`, ``, `call.pause {"call":"a"}`},
		{`await call.resume()`, ``, `call.resume {"call":"a"}`},
		{`await call.seek("30s")`, ``, `call.seek {"call":"a","toMs":30000}`},
		{`await call.seek(1500)`, ``, `call.seek {"call":"a","toMs":1500}`},
		{`await call.seek("-10s")`, ``, `call.seek {"call":"a","relative":true,"toMs":-10000}`},
		{`await call.seek("+1m")`, ``, `call.seek {"call":"a","relative":true,"toMs":60000}`},
		{`await call.seek("soon")`, `INVALID: call.seek: this is no position | write "30s", "+10s" or "-10s"`, ``},
		{`await call.seek()`, `INVALID: call.seek: this is no position | write "30s", "+10s" or "-10s"`, ``},
		{`await call.say("x", {volume: 9})`, `INVALID: call.say: option "volume" is 9, a number from 0 to 4 is wanted`, ``},
		{`await call.say(call.say("x"))`, `INVALID: call.say is an object of no known kind | the kinds of part are count, date, digits, money, number, phone, play, recording, say, spell, time`, ``},
		{`return await call.gather()`, `{"digits":"12","reason":"finish"}`, `call.gather {"attempts":1,"call":"a","finishOn":"#","interDigitTimeoutMs":3000,"max":20,"min":1,"timeoutMs":7000}`},
		{`await call.gather({prompt: "?", digits: 4, timeout: "5s", interDigitTimeout: 500, attempts: 2, invalidPrompt: "no", timeoutPrompt: {play: "t.wav"}, secret: true, flush: true, bargeIn: false})`, ``,
			`call.gather {"attempts":2,"bargeIn":false,"call":"a","finishOn":"","flush":true,"interDigitTimeoutMs":500,"invalidPrompt":[{"say":"no"}],"max":4,"min":4,"prompt":[{"say":"?"}],"secret":true,"timeoutMs":5000,"timeoutPrompt":[{"play":"t.wav"}]}`},
		{`await call.gather({digits: {min: 5, max: 2}})`, `INVALID: call.gather: option "digits" is an object, a min that is not above max is wanted`, ``},
		{`await call.gather({digits: 0})`, `INVALID: call.gather: option "digits" is 0, a number from 1 to 64 or {min, max} is wanted`, ``},
		{`await call.gather({digits: 1, speech: {hints: ["yes", "no"], language: "en-GB", endSilence: "1s", bargeIn: false}})`, ``,
			`call.gather {"attempts":1,"call":"a","finishOn":"","interDigitTimeoutMs":3000,"max":1,"min":1,"speech":{"bargeIn":false,"endSilenceMs":1000,"hints":["yes","no"],"language":"en-GB"},"timeoutMs":7000}`},
		{`await call.gather({speech: "yes"})`, `INVALID: call.gather: option "speech" is "yes", true or an object is wanted | write speech: true, or speech: { hints: ["yes", "no"] }`, ``},
		{`await call.gather({speech: {hint: ["yes"]}})`, `INVALID: call.gather: speech: unknown option "hint" | did you mean hints?`, ``},
		{`await call.gather({speech: {hints: [1]}})`, `INVALID: call.gather: speech: option "hints" is an array, a list of at most 200 words and phrases is wanted`, ``},
		{`await call.stream("wss://agent.test/x", {track: "both", parameters: {a: 1}, protocols: "audio", buffer: "10s", reconnect: 0})`, ``,
			`call.stream {"bufferMs":10000,"call":"a","parameters":{"a":"1"},"protocols":["audio"],"reconnect":0,"stream":1,"track":"both","url":"wss://agent.test/x"}`},
		{`await call.stream("https://agent.test")`, `INVALID: call.stream: "https://agent.test" is no WebSocket address | write "wss://agent.example.com/media"`, ``},
		{`await call.stream("wss://agent.test", {track: "inbond"})`, `INVALID: call.stream: option "track" is "inbond", one of inbound, outbound, both, inbound_track, outbound_track, both_tracks is wanted | did you mean inbound?`, ``},
		{`await call.stream("wss://agent.test", {parameters: {a: {}}})`, `INVALID: call.stream: option "parameters.a" is an object, a text is wanted | JSON.stringify what is more than that`, ``},
		{`const s = call.stream("wss://agent.test"); s.on("opened", () => 0)`, `INVALID: stream.on: there is no event "opened" | did you mean open?`, ``},
		{`await call.gather({finishOn: "ok"})`, `INVALID: call.gather: option "finishOn" is "ok", keys such as "#" is wanted | "" means none`, ``},
		{`return (await call.record({maxDuration: "1m", silence: "3s", beep: true})).id`, `"rec1"`, `call.record {"beep":true,"call":"a","maxDurationMs":60000,"silenceMs":3000}`},
		{`const r = await call.record(); await call.play([r, "x"]); return [Object.keys(r), await r.link({ttl: "1h"})]`, `[["id","durationMs","reason"],"https://l"]`, `call.play {"call":"a","prompt":[{"recording":"rec1"},{"say":"x"}]}`},
		{`await call.record({format: "mp3"})`, ``, `call.record {"call":"a","format":"mp3"}`},
		{`await call.recording.start({stereo: true}); await call.recording.pause(); await call.recording.resume(); return (await call.recording.stop()).reason`, `"stopped"`, `call.recording.start {"call":"a","stereo":true}`},
		{`await call.hold({music: "m.mp3"}); await call.mute(); await call.unmute()`, ``, `call.hold {"call":"a","music":[{"play":"m.mp3"}]}`},
		{`await call.unmute()`, ``, `call.mute {"call":"a","muted":false}`},
		{`await call.sendDigits("12W3d", {method: "info"})`, ``, `call.sendDigits {"call":"a","digits":"12w3D","method":"info"}`},
		{`await call.detectMachine({preset: "quick", greeting: "2s", maxWords: 4})`, ``, `call.detectMachine {"call":"a","greetingMs":2000,"maxWords":4,"preset":"quick"}`},
		{`const { evidence } = await call.detectMachine({clip: true}); await call.play(evidence.clip); return [evidence.clip.id, await evidence.clip.link()]`, `["c-answer","https://l"]`, `call.play {"call":"a","prompt":[{"recording":"c-answer"}]}`},
		{`await call.detectMachine({preset: "clever"})`, `INVALID: call.detectMachine: option "preset" is "clever", one of balanced, quick, asterisk is wanted`, ``},
		{`await call.detectMachine({greeting: "1h"})`, `INVALID: call.detectMachine: option "greeting" is "1h", between 20ms and 30s is wanted`, ``},
		{`await call.waitForBeep({timeout: "5s"})`, ``, `call.waitForBeep {"call":"a","timeoutMs":5000}`},
		{`await dial("101", {detectMachine: {preset: "quick"}})`, ``, `call.dial {"detectMachine":{"preset":"quick"},"to":"101"}`},
		{`await dial("101", {detectMachine: true})`, ``, `call.dial {"detectMachine":{},"to":"101"}`},
		{`await dial("101", {detectMachine: false})`, ``, `call.dial {"to":"101"}`},
		{`await call.sendDigits("12-3")`, `INVALID: call.sendDigits: "12-3" is no list of keys | the keys are 0-9 * # A-D, and w is a pause of half a second`, ``},
		{`return await call.transfer("sales", {timeout: "20s"})`, `{"status":"completed","code":200}`, `call.transfer {"call":"a","target":"sales","timeoutMs":20000}`},
		{`await call.transfer("x", {attended: 1})`, `INVALID: call.transfer: option "attended" is 1, another call, one that dial(…) answered with is wanted | const { call: other } = await dial("101")`, ``},
		{`const d = await dial("101"); return await call.transfer(undefined, {attended: d.call})`, `{"status":"completed","code":200}`, `call.transfer {"attended":"b","call":"a","target":""}`},
		{`const d = await dial("101"); await call.transfer("sip:x@y", {attended: d.call})`, ``, `call.transfer {"attended":"b","call":"a","target":"sip:x@y"}`},
		{`return await call.sendMessage("hello")`, `{"status":"delivered","code":200}`, `call.sendMessage {"call":"a","text":"hello"}`},
		{`await call.sendMessage("")`, `INVALID: call.sendMessage: the text is empty or longer than 16 KB`, ``},
		{`await call.sendMessage({a: 1})`, `INVALID: call.sendMessage: the text is an object, a text is wanted`, ``},
		{`await call.sendInfo("application/json", {a: 1})`, ``, `call.sendInfo {"body":"{\"a\":1}","call":"a","type":"application/json"}`},
		{`await call.sendInfo("a b", "x")`, `INVALID: call.sendInfo: "a b" is no content type | write call.sendInfo("application/json", { key: 1 })`, ``},
		{`return await require("loopstart:call").sendMessage("+7916", "hi", {from: "+7 495", trunk: "t", headers: {Subject: "s"}})`, `{"status":"delivered","code":202}`, `call.page {"from":"+7495","headers":[["Subject","s"]],"text":"hi","to":"+7916","trunk":"t"}`},
		{`await call.retry({in: "1h"})`, ``, `call.retry {"call":"a","inMs":3600000}`},
		{`await call.retry({at: new Date(0), stopList: false})`, ``, `call.retry {"at":"1970-01-01T00:00:00Z","call":"a","stopList":false}`},
		{`await call.retry({in: 1, never: true})`, `INVALID: call.retry: exactly one of in, at and never: true is wanted | write call.retry({ in: "1h" })`, ``},
		{`return await call.connect("sales", {timeout: "25s", whisper: "Заказ"})`, `{"status":"completed"}`, `call.connect {"call":"a","strategy":"parallel","targets":[{"to":"sales"}],"timeoutMs":25000,"whisper":[{"say":"Заказ"}]}`},
		{`await call.connect(["101", {to: "+7916", delay: "5s", headers: {A: "b"}}], {strategy: "serial", music: false, accept: {key: 1, prompt: "?"}, hangupOn: "*0", maxDuration: "1h", record: true})`, ``,
			`call.connect {"accept":{"key":"1","prompt":[{"say":"?"}]},"call":"a","hangupOn":"*0","maxDurationMs":3600000,"music":false,"record":true,"strategy":"serial","targets":[{"to":"101"},{"delayMs":5000,"headers":[["A","b"]],"to":"+7916"}]}`},
		{`await call.connect("a", {keys: {"*2": () => 1}, onRing() {}, onAnswer: () => {}, music: ["tone:440", {play: "x.wav"}]})`, ``,
			`call.connect {"call":"a","keys":{"*2":{"$fn":1}},"music":[{"say":"tone:440"},{"play":"x.wav"}],"onAnswer":{"$fn":2},"onRing":{"$fn":3},"strategy":"parallel","targets":[{"to":"a"}]}`},
		{`await call.say([{money: "1,000.50", language: "en"}, {number: "1 000"}, {date: "31.12.26", year: true}, {date: "2026-12-31 18:30:00"}, {time: "2026-12-31 18:30:00"}])`, ``,
			`call.say {"call":"a","prompt":[{"language":"en","money":"1,000.50"},{"number":"1000"},{"date":"31.12.26","year":true},{"date":"2026-12-31 18:30:00"},{"time":"2026-12-31 18:30:00"}]}`},
		{`await call.connect([{to: "a", from: "+7 (495) 123-45-67"}])`, ``, `call.connect {"call":"a","strategy":"parallel","targets":[{"from":"+74951234567","to":"a"}]}`},
		{`await call.connect("a", {from: "Anna <sip:1@x>"})`, `INVALID: call.connect: option "from" is "Anna <sip:1@x>", a caller number such as "+74951234567" is wanted`, ``},
		{`await dial("a", {from: 5})`, `INVALID: dial: option "from" is 5, a caller number such as "+74951234567" is wanted`, ``},
		{`await call.say([{time: new Date("2026-12-31T22:30:00Z")}, {date: "2026-12-31T22:30:00Z"}, {time: "2026-12-31T22:30:00+05:00"}])`, ``,
			`call.say {"call":"a","prompt":[{"time":"2027-01-01T01:30:00+03:00"},{"date":"2027-01-01T01:30:00+03:00"},{"time":"2026-12-31T22:30:00+05:00"}]}`},
		{`await call.connect([])`, `INVALID: call.connect: 0 targets; 1 to 50 are possible`, ``},
		{`await call.connect({})`, `INVALID: call.connect: the target is undefined, a text is wanted | a group, a user, a number such as "+79161234567" or a sip: URI`, ``},
		{`await call.connect("a", {timout: 1})`, `INVALID: call.connect: unknown option "timout" | did you mean timeout?`, ``},
		{`await call.connect("a", {timeout: "25"})`, `INVALID: call.connect: option "timeout" is "25", between 1s and 10m is wanted`, ``},
		{`await call.connect("a", {keys: {"*2": 1}})`, `INVALID: call.connect: option "keys.*2" is 1, a function is wanted`, ``},
		{`await call.connect("a", {accept: {key: "12"}})`, `INVALID: call.connect: accept: option "key" is "12", one key is wanted`, ``},
		{`const d = await dial("101", {timeout: "5s", data: {x: 1}}); await d.call.say("hi"); return [d.status, d.call.state, d.call.handle]`, `["answered","answered",null]`, `call.say {"call":"b","prompt":[{"say":"hi"}]}`},
		{`const d = await dial("101"); return await call.bridge(d.call, {maxDuration: "1h"})`, `{"endedBy":"caller","talkMs":5}`, `call.bridge {"call":"a","maxDurationMs":3600000,"other":"b"}`},
		{`const d = await dial("101"); d.call.result = {a: 1}; d.call.outcome = "busy"; d.call.tag("k", 1); return [d.call.result, d.call.outcome]`, `[{"a":1},"busy"]`, `call.set {"call":"b","tags":{"k":"1"}}`},
		{`await call.bridge(call)`, `INVALID: call.bridge: an object is no other call | bridge joins this call with one that dial(…) answered with: const { call: other } = await dial("101")`, ``},
	}
	for _, tt := range tests {
		t.Run(tt.source, func(t *testing.T) {
			p := &phone{t: t, answers: map[string][]string{
				"call.answer":         {`{"answeredAt":"2026-11-21T10:00:05Z"}`},
				"call.say":            {`{"completed":true,"playedMs":10,"percent":100}`},
				"call.gather":         {`{"digits":"12","reason":"finish","attempt":1}`},
				"call.record":         {`{"id":"rec1","durationMs":5,"reason":"silence"}`},
				"call.recording.stop": {`{"id":"rec2","durationMs":5,"reason":"stopped"}`},
				"recording.link":      {`{"url":"https://l"}`},
				"call.detectMachine":  {`{"verdict":"human","evidence":{"cause":"time","clip":{"id":"c-answer","durationMs":5}}}`},
				"call.transfer":       {`{"status":"completed","code":200}`},
				"call.sendMessage":    {`{"status":"delivered","code":200}`},
				"call.page":           {`{"status":"delivered","code":202}`},
				"call.connect":        {`{"status":"completed"}`},
				"call.dial":           {`{"status":"answered","code":200,"call":` + legJSON + `}`},
				"call.bridge":         {`{"endedBy":"caller","talkMs":5}`},
			}}
			if got := p.run(tt.source); tt.want != "" && got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			} else if tt.want == "" && strings.Contains(got, ": ") {
				t.Errorf("failed: %s", got)
			}
			p.heard(t, tt.asked)
		})
	}
}

func TestGatherValidate(t *testing.T) {
	gathered := func(list ...string) map[string][]string {
		return map[string][]string{"call.gather": list, "call.say": {`{"completed":true}`}}
	}
	p := &phone{t: t, answers: gathered(`{"digits":"1","reason":"digits","attempt":1}`, `{"digits":"22","reason":"digits","attempt":3}`)}
	got := p.run(`return await call.gather({attempts: 3, validate: async d => d.length == 2 || "Коротко"})`)
	if got != `{"digits":"22","reason":"digits"}` || len(p.asked) != 2 {
		t.Errorf("got %s after\n%s", got, strings.Join(p.asked, "\n"))
	}
	for _, want := range []string{`"attempt":1`, `"because":"invalid"`, `"invalidPrompt":[{"say":"Коротко"}]`} {
		if !strings.Contains(p.asked[1], want) {
			t.Errorf("the second request lacks %s: %s", want, p.asked[1])
		}
	}
	p = &phone{t: t, answers: gathered(`{"digits":"1","reason":"digits","attempt":1}`)}
	if got := p.run(`return await call.gather({validate: () => "Нет такого"})`); got != `{"digits":"1","reason":"invalid"}` {
		t.Errorf("after the last attempt: %s", got)
	}
	p.heard(t, `call.say {"call":"a","prompt":[{"say":"Нет такого"}]}`)
	p = &phone{t: t, answers: gathered(`{"digits":"1","reason":"digits","attempt":2}`)}
	if got := p.run(`return await call.gather({attempts: 2, validate: () => false})`); got != `{"digits":"1","reason":"invalid"}` || len(p.asked) != 1 {
		t.Errorf("false: %s\n%s", got, strings.Join(p.asked, "\n"))
	}
	p = &phone{t: t, answers: gathered(`{"digits":"","reason":"timeout","attempt":1}`)}
	if got := p.run(`return await call.gather({validate: () => { throw 1 }})`); got != `{"digits":"","reason":"timeout"}` {
		t.Errorf("a timeout is not validated: %s", got)
	}
	p = &phone{t: t, answers: gathered(`{"digits":"1","reason":"digits","attempt":1}`)}
	if got := p.run(`await call.gather({validate: () => { throw new RangeError("oops") }})`); got != "SCRIPT: oops" {
		t.Errorf("validate throws: %s", got)
	}
	if got := p.run(`await call.gather({validate: () => undefined})`); !strings.HasPrefix(got, "INVALID: call.gather: validate returned undefined") {
		t.Errorf("validate returns nothing: %s", got)
	}
}

func TestMenu(t *testing.T) {
	menu := func(source, answer string) (string, *phone) {
		p := &phone{t: t, answers: map[string][]string{"call.menu": {answer}, "call.connect": {`{"status":"busy"}`}}}
		return p.run(source), p
	}
	got, p := menu(`return await call.menu({prompt: "?", choices: {1: "sales", "1XX": e => call.connect(e), "*": "x"}, repeat: "#"})`, `{"key":"1","choice":"1","reason":"key"}`)
	if got != `{"key":"1","value":"sales","reason":"key"}` {
		t.Error(got)
	}
	p.heard(t, `call.menu {"attempts":3,"call":"a","choices":["1","1XX","*"],"interDigitTimeoutMs":3000,"prompt":[{"say":"?"}],"repeat":"#","timeoutMs":7000}`)
	got, p = menu(`return await call.menu({choices: {"1XX": async e => (await call.connect(e)).status}})`, `{"key":"123","choice":"1XX","reason":"key"}`)
	if got != `{"key":"123","value":"busy","reason":"key"}` {
		t.Error(got)
	}
	p.heard(t, `call.connect {"call":"a","strategy":"parallel","targets":[{"to":"123"}]}`)
	if got, _ = menu(`return await call.menu({choices: {1: "a"}})`, `{"key":"","choice":"","reason":"timeout"}`); got != `{"key":"","reason":"timeout"}` {
		t.Error(got)
	}
	for source, want := range map[string]string{
		`await call.menu({choices: {}})`:                        `INVALID: call.menu: choices has 0 keys`,
		`await call.menu({choices: {yes: 1}})`:                  `INVALID: call.menu: choices: "yes" cannot be typed`,
		`await call.menu({choices: {1: 1}, repeat: 1})`:         `INVALID: call.menu: option "repeat" is 1, a key that is no choice`,
		`await call.menu()`:                                     `INVALID: call.menu: option "choices" is undefined`,
		`await call.menu({choices: {1: () => { throw 7 }}})`:    `SCRIPT: `,
		`await call.menu({choices: {1: 1}, attemps: 3})`:        `INVALID: call.menu: unknown option "attemps" | did you mean attempts?`,
		`await call.menu({choices: {1: 1}, attempts: 0})`:       `INVALID: call.menu: option "attempts" is 0`,
		`await call.menu({choices: {1: 1}, timeout: "7 secs"})`: `INVALID: call.menu: option "timeout" is "7 secs", a duration is wanted`,
	} {
		if got, _ := menu(source, `{"key":"1","choice":"1","reason":"key"}`); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", source, got)
		}
	}
}

func TestFacts(t *testing.T) {
	tests := []struct{ source, want string }{
		{`return [call.id, call.from.e164, call.remote.user, call.campaign, call.state]`, `["c1","+79161234567","+79161234567",null,"ringing"]`},
		{`return [call.headers.get("x-order"), call.headers.all("X-ORDER"), call.headers.has("nope"), call.headers.get("nope"), call.headers.names()]`, `["7",["7","8"],false,null,["X-Order","x-order","Via"]]`},
		{`call.data.x = 1; return call.data`, `{"name":"Anna","x":1}`},
		{`const {say, data: {name}} = call; return [typeof say, name, say === call.say]`, `["function","Anna",true]`},
		{`return ["queue" in call, call.queue, call.language, call.handle, "say" in call]`, `[false,null,null,null,true]`},
		{`call.from = 1`, `INVALID: call.from cannot be set; result and outcome can`},
		{`call.resutl = 1`, `INVALID: call.resutl cannot be set; result and outcome can | did you mean result?`},
		{`call.result = () => 1`, `INVALID: call.result: a function has no JSON form | is a call of it meant, with ()?`},
		{`call.outcome = "servd"`, `INVALID: call.outcome: "servd" is no outcome | did you mean served?`},
		{`call.outcome = "served"; return call.outcome`, `"served"`},
		{`return call.outcome === undefined && call.result === undefined`, `true`},
		{`call.tag("", 1)`, `INVALID: call.tag: the name is "", a short string is wanted`},
		{`call.tag("a", {})`, `INVALID: call.tag: the value of a is an object, a short text or number is wanted | objects belong in call.result`},
		{`call.sya("x")`, `SCRIPT: sya is not a function | did you mean say?`},
	}
	for _, tt := range tests {
		p := &phone{t: t}
		if got := p.run(tt.source); got != tt.want {
			t.Errorf("%s\ngot  %s\nwant %s", tt.source, got, tt.want)
		}
	}
	p := &phone{t: t}
	p.run(`call.log("call is", call); await call.stop()`)
	if !strings.Contains(p.asked[0], `{ id: \"c1\", direction: \"inbound\"`) || strings.Contains(p.asked[0], "function") {
		t.Errorf("logged %s", p.asked[0])
	}
}

func TestState(t *testing.T) {
	calls := New()
	o, h := scripttest.Run{Source: `call.result = {n: 1}; call.outcome = "served"; call.tag("shop", "spb"); call.result.n++;`,
		Argument: json.RawMessage(factsJSON),
		Options:  runtime.Options{Modules: []runtime.Module{calls}, Arguments: map[string]runtime.Argument{"default": calls.Argument}}}.Do(t)
	if o.Error != nil || string(h.State.Result) != `{"n":2}` || h.State.Outcome != "served" || h.State.Tags["shop"] != "spb" {
		t.Errorf("%+v, %+v", o.Error, h.State)
	}
}

// send makes the host send its events when the script says stop.
func send(events ...string) func(h *scripttest.Host, r message.Request, seq uint32) (any, error) {
	return func(h *scripttest.Host, r message.Request, seq uint32) (any, error) {
		if r.Method == "call.stop" {
			for _, e := range events {
				name, data, _ := strings.Cut(e, " ")
				h.Event(name, json.RawMessage(data))
			}
		}
		return nil, nil
	}
}

func TestEvents(t *testing.T) {
	tests := []struct {
		name, source, want string
		events             []string
	}{
		{"digit", `const got = []; call.on("digit", e => got.push(e)); await call.stop(); await call.stop(); return got.slice(0, 1)`, `[{"digit":"5"}]`, []string{`digit {"call":"a","digit":"5"}`}},
		{"off", `const got = []; const off = call.on("digit", e => got.push(1)); call.on("digit", e => got.push(2)); off(); off(); await call.stop(); await call.stop(); return [...new Set(got)]`, `[2]`, []string{`digit {"call":"a","digit":"5"}`}},
		{"state", `await call.stop(); await call.stop(); return [call.state, call.answeredAt]`, `["answered","2026-11-21T10:00:05Z"]`, []string{`state {"call":"a","state":"answered","answeredAt":"2026-11-21T10:00:05Z"}`}},
		{"command", `const p = new Promise(r => call.on("command", r)); await call.stop(); return await p`, `{"body":{"x":1}}`, []string{`command {"call":"a","body":{"x":1}}`}},
		{"end", `const p = new Promise(r => call.on("end", r)); const s = call.signal; await call.stop(); return [await p, call.state, s.aborted, s.reason.code]`, `[{"endedBy":"caller","code":0},"ended",true,"HANGUP"]`, []string{`end {"call":"a","endedBy":"caller","code":0}`}},
		{"signal after the end", `await call.stop(); await call.stop(); return call.signal.aborted`, `true`, []string{`end {"call":"a"}`}},
		{"another call", `const got = []; call.on("digit", e => got.push(e)); await call.stop(); await call.stop(); return got`, `[]`, []string{`digit {"call":"zz","digit":"5"}`, `digit 7`, `digit {"digit":"1"}`}},
		{"a listener throws", `call.on("digit", () => { throw new TypeError("mine") }); await call.stop(); await new Promise(() => {})`, `SCRIPT: Uncaught (in promise) mine`, []string{`digit {"call":"a","digit":"5"}`}},
		{"digits", `const s = call.digits; const got = []; await call.stop();
			for (let r = await s.next(); !r.done; r = await s.next()) got.push(r.value); return got`, `["1","2"]`, []string{`digit {"call":"a","digit":"1"}`, `digit {"call":"a","digit":"2"}`, `end {"call":"a"}`}},
		{"digits waits", `const s = call.digits[Symbol.asyncIterator](); const a = s.next(), b = s.next(), c = s.next(); await call.stop(); return [(await a).value, (await b).value, (await c).done]`, `["1","2",true]`, []string{`digit {"call":"a","digit":"1"}`, `digit {"call":"a","digit":"2"}`, `end {"call":"a"}`}},
		{"digits returned", `const s = call.digits; await s.return(); await call.stop(); await call.stop(); return (await s.next()).done`, `true`, []string{`digit {"call":"a","digit":"1"}`}},
		{"wrong name", `call.on("digits", () => {})`, `INVALID: call.on: there is no event "digits" | did you mean digit?`, nil},
		{"message", `const p = new Promise(r => call.on("message", r)); await call.stop(); const m = await p; return [m.text, m.contentType, m.headers.get("subject")]`, `["hi","text/plain","s"]`,
			[]string{`message {"call":"a","text":"hi","contentType":"text/plain","headers":[["Subject","s"]]}`}},
		{"transfer progress", `const p = new Promise(r => call.on("transfer", r)); await call.stop(); return await p`, `{"to":"x","code":180}`, []string{`transfer {"call":"a","to":"x","code":180}`}},
		{"no function", `call.on("digit")`, `INVALID: call.on: the second argument is undefined, a function is wanted`, nil},
		{"listener limit", `for (let i = 0; i <= 50; i++) call.on("digit", () => {})`, `LIMIT: call.on: this event has as many listeners as it may have (limit listeners) | call.on returns a function that takes the listener away`, nil},
		{"stream limit", `for (let i = 0; i <= 10; i++) call.digits`, `LIMIT: call.digits: too many streams are open (limit streams) | keep one: for await (const key of call.digits)`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &phone{t: t, before: send(tt.events...)}
			if got := p.run(tt.source); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
	t.Run("typed ahead limit", func(t *testing.T) {
		var events []string
		for i := range MaxTyped + 5 {
			events = append(events, fmt.Sprintf(`digit {"call":"a","digit":"%d"}`, i))
		}
		p := &phone{t: t, before: send(append(events, `end {"call":"a"}`)...)}
		if got := p.run(`const s = call.digits; await call.stop(); await call.ring(); return (await s.next()).value`); got != `"5"` {
			t.Errorf("the oldest key left is %s", got)
		}
	})
	t.Run("the leg of dial ends", func(t *testing.T) {
		p := &phone{t: t, answers: map[string][]string{"call.dial": {`{"status":"answered","code":200,"call":` + legJSON + `}`}}, before: send(`end {"call":"b","endedBy":"callee","code":0}`)}
		if got := p.run(`const { call: b } = await dial("101"); const p = new Promise(r => b.on("end", r)); await call.stop(); return [(await p).endedBy, b.state, call.state]`); got != `["callee","ended","ringing"]` {
			t.Error(got)
		}
	})
}

func TestCancel(t *testing.T) {
	p := &phone{t: t, before: func(_ *scripttest.Host, r message.Request, _ uint32) (any, error) {
		if r.Method == "call.say" {
			return scripttest.Later, nil
		}
		return nil, nil
	}}
	got := p.run(`const c = new AbortController(); const said = call.say("x", {signal: c.signal}).catch(e => e.message);
		await call.stop(); c.abort(new Error("enough")); return [await said, c.signal.fns.size]`)
	if got != `["enough",1]` {
		t.Error(got)
	}
	said := regexp.MustCompile(`"cancel":(\d+)`).FindStringSubmatch(strings.Join(p.asked, "\n"))
	if said == nil || !strings.Contains(strings.Join(p.asked, "\n"), `call.cancel {"call":"a","cancel":`+said[1]+`}`) {
		t.Errorf("asked %q", p.asked)
	}
	p = &phone{t: t}
	if got := p.run(`const c = new AbortController(); await call.say("x", {signal: c.signal}); return c.signal.fns.size`); got != "0" {
		t.Errorf("listeners left: %s", got)
	}
	if got := p.run(`const c = new AbortController(); c.abort(new Error("before")); await call.say("x", {signal: c.signal})`); got != "SCRIPT: before" {
		t.Error(got)
	}
	if got := p.run(`await call.say("x", {signal: 5})`); !strings.HasPrefix(got, `INVALID: call.say: option "signal" is no AbortSignal`) {
		t.Error(got)
	}
}

func TestHangupEndsTheMainCall(t *testing.T) {
	p := &phone{t: t, before: func(h *scripttest.Host, r message.Request, _ uint32) (any, error) {
		if r.Method == "call.stop" {
			h.End("hangup")
		}
		if r.Method == "call.say" {
			return nil, fault.New(fault.Hangup, "the caller hung up")
		}
		return nil, nil
	}}
	if got := p.run(`const s = call.signal; await call.stop(); try { await call.say("x"); } catch (e) { return [e.code, s.aborted, call.state]; }`); got != `["HANGUP",true,"ended"]` {
		t.Error(got)
	}
}

func TestLegLimit(t *testing.T) {
	n := 0
	p := &phone{t: t, before: func(_ *scripttest.Host, r message.Request, _ uint32) (any, error) {
		if r.Method != "call.dial" {
			return nil, nil
		}
		n++
		leg := strings.Replace(legJSON, `"handle":"b"`, fmt.Sprintf(`"handle":"b%d"`, n), 1)
		return json.RawMessage(`{"status":"answered","call":` + leg + `}`), nil
	}}
	if got := p.run(`for (;;) await dial("101")`); !strings.HasPrefix(got, "LIMIT: dial: this script has as many calls as it may have (limit legs)") || n != MaxLegs-1 {
		t.Errorf("%s after %d", got, n)
	}
}

func TestOnRequest(t *testing.T) {
	run := func(source string) string {
		o, _ := scripttest.Run{Source: "const request = call;" + source, Export: "onRequest",
			Argument: json.RawMessage(`{"method":"POST","path":"/a","query":{"x":"1"},"headers":[["Content-Type","application/json"]],"body":"eyJhIjoxfQ==","ip":"10.0.0.1"}`),
			Options:  runtime.Options{Arguments: map[string]runtime.Argument{"onRequest": Request}}}.Do(t)
		if o.Error != nil {
			return o.Error.Code + ": " + o.Error.Message
		}
		return string(o.Value)
	}
	if got := run(`return [request.method, request.query.x, request.headers.get("content-type"), request.body.length, request.text, request.json.a, request.ip]`); got != `["POST","1","application/json",7,"{\"a\":1}",1,"10.0.0.1"]` {
		t.Error(got)
	}
	if got := run(`return {status: 201, body: request.body}`); got != `{"status":201,"body":{"$bytes":"eyJhIjoxfQ=="}}` {
		t.Error(got)
	}
}

// TestOnRequestReadsTheBodyByItsType asks for json and form of every body.
func TestOnRequestReadsTheBodyByItsType(t *testing.T) {
	for _, c := range []struct{ kind, body, want string }{
		{"application/json", `{"a":1}`, `[{"a":1},{}]`},
		{"application/json", `{"a"`, "INVALID: request.json: the body is no JSON"},
		{"Application/X-WWW-Form-Urlencoded", "a=1&b=x%20y", `[null,{"a":"1","b":"x y"}]`},
		{"text/plain", "a=1", `[null,{}]`},
		{"", `{"a":1}`, `[{"a":1},{"{\"a\":1}":""}]`},
		{"", "", `[null,{}]`},
	} {
		argument, _ := json.Marshal(map[string]any{"headers": [][2]string{{"content-type", c.kind}}, "body": []byte(c.body)})
		o, _ := scripttest.Run{Source: "return [call.json, call.form]", Export: "onRequest", Argument: json.RawMessage(argument),
			Options: runtime.Options{Arguments: map[string]runtime.Argument{"onRequest": Request}}}.Do(t)
		got := string(o.Value)
		if o.Error != nil {
			got = o.Error.Code + ": " + o.Error.Message
		}
		if got != c.want {
			t.Errorf("%s %q: %s, want %s", c.kind, c.body, got, c.want)
		}
	}
}

// No text of a script forges a header: each that could stand in one is refused
// with its name, whatever the control character, and nothing is asked.
func TestNoHeaderIsForgedByAScript(t *testing.T) {
	verbs := []string{
		`call.answer({headers: {"X-A": "b%s"}})`, `call.answer({headers: {"X-A%s": "b"}})`,
		`call.reject({code: 486, reason: "Busy%s"})`, `call.reject(486, "Busy%s")`, `call.hangup({reason: "x%s"})`, `call.hangup({headers: {Reason: "x%s"}})`,
		`call.redirect("sip:a@b%s")`, `call.redirect("%ssip:a@b")`, `call.transfer("sip:a@b%s")`, `call.transfer("101", {headers: {A: "%s"}})`,
		`call.connect("101%s")`, `call.connect("101", {from: "1%s"})`, `call.connect("101", {trunk: "t%s"})`, `call.connect("101", {headers: {A: "%s"}})`,
		`call.connect([{to: "101%s"}])`, `call.connect([{to: "101", from: "x%s"}])`, `call.connect([{to: "101", headers: {"A": "x%s"}}])`,
		`dial("101%s")`, `dial("101", {from: "%s1"})`, `dial("101", {headers: {A: "%s"}})`, `dial("101", {trunk: "t%s"})`,
	}
	source := "const passed = [];\n"
	for _, evil := range []string{`\r\nX-Evil: 1`, `\n`, `\r`, `\0`, `\x01`, `\x7f`, `\u0085`, `\u2028`} {
		for _, verb := range verbs {
			text := strings.ReplaceAll(verb, "%s", evil)
			source += "try { await " + text + "; passed.push(`" + strings.ReplaceAll(text, `\`, `\\`) + "`) } catch (e) { if (e.code !== 'INVALID') passed.push(e.message) }\n"
		}
	}
	p := &phone{t: t}
	if got := p.run(source + "return passed"); got != "[]" || len(p.asked) > 0 {
		t.Errorf("%s, asked %s", got, p.asked)
	}
	if got := p.run(`await call.hangup({reason: "по-русски\tи с табуляцией"})`); strings.Contains(got, "INVALID") {
		t.Error(got)
	}
}
