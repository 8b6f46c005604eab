package script

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestLimits: what is at a limit passes, one more is refused with a word about it.
func TestLimits(t *testing.T) {
	const module = `const { queue, conference } = require("loopstart:call"); const q = queue("sales"), room = conference("x");
const text = n => "x".repeat(n), list = n => Array(n).fill("a"), object = (n, v = 1) => Object.fromEntries(list(n).map((_, i) => ["k" + i, v]));
const keys = n => Object.fromEntries(list(n).map((_, i) => [String(i).padStart(3, "0"), "v"]));`
	ms := func(d time.Duration) int { return int(d.Milliseconds()) }
	for source, limit := range map[string]int{
		`conference(text(N))`:                                             MaxConferenceName,
		`conference("a", {pin: "1".repeat(N)})`:                           maxPIN,
		`conference("a", {pin: "1", pinTries: N})`:                        maxPINTries,
		`conference("a", {maxMembers: N})`:                                maxMembers,
		`conference("a", {maxDuration: N})`:                               ms(maxCall),
		`await room.join(call, {volume: N})`:                              maxVolume,
		`await call.connect(list(N))`:                                     MaxTargets,
		`await call.connect("101", {timeout: N})`:                         ms(maxRing),
		`await call.gather({digits: N})`:                                  MaxKeys,
		`await call.gather({digits: 1, attempts: N})`:                     maxAttempts,
		`await call.gather({digits: 1, timeout: N})`:                      ms(maxTimeout),
		`await call.gather({speech: {hints: list(N)}})`:                   MaxHints,
		`await call.gather({speech: {hints: [text(N)]}})`:                 maxHint,
		`await call.gather({speech: {endSilence: N}})`:                    ms(maxSilence),
		`await call.gather({speech: {maxDuration: N}})`:                   ms(maxUtterance),
		`await call.menu({prompt: "a", choices: keys(N)})`:                MaxChoices,
		`call.tag(text(N), 1)`:                                            MaxTag,
		`call.tag("a", text(N))`:                                          MaxTag,
		`await call.detectMachine({greeting: N})`:                         ms(maxDetection),
		`await call.stream("wss://a.test", {reconnect: N})`:               maxReconnect,
		`await call.stream("wss://a.test", {parameters: object(N, "v")})`: MaxParameters,
		`call.stream("wss://a.test").send(text(N - 2))`:                   maxMessage,
		`call.stream("wss://a.test").mark(text(N))`:                       maxMark,
		`await call.sendInfo("text/plain", text(N))`:                      MaxMessage,
		`for (let i = 0; i < N; i++) call.on("digit", () => 0)`:           MaxListeners,
		`for (let i = 0; i < N; i++) call.digits`:                         MaxStreams,
		`await call.say(list(N))`:                                         MaxParts,
		`await call.say(text(N))`:                                         MaxWords,
		`await q.enter(call, {skills: object(N)})`:                        MaxSkills,
		`await q.priority(call, N)`:                                       maxPriority,
		`await q.enter(call, {timeout: N})`:                               ms(maxWait),
		`await q.callback("1", {attempts: N})`:                            maxKeptTries,
		`await call.sendDigits("1".repeat(N))`:                            maxDigits,
	} {
		run := func(n int) string {
			p := &phone{t: t, answers: map[string][]string{
				"queue.enter": {`{"status":"completed"}`}, "call.gather": {`{"status":"ok","digits":"1"}`}, "call.menu": {`{"status":"ok","digits":"000"}`},
			}}
			return p.run(module + strings.ReplaceAll(source, "N", strconv.Itoa(n)))
		}
		refused := func(s string) bool { return strings.HasPrefix(s, "INVALID: ") || strings.HasPrefix(s, "LIMIT: ") }
		if got := run(limit); refused(got) {
			t.Errorf("%s with %d: %s", source, limit, got)
		}
		if got := run(limit + 1); !refused(got) {
			t.Errorf("%s with %d is not refused: %s", source, limit+1, got)
		}
	}
}
