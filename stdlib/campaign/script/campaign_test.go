package script

import (
	"fmt"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/runtime/message"
	"github.com/loopstart/loopstart/stdlib/internal/scripttest"
)

// run gives what the host was asked and the value of the script, or its error.
func run(t *testing.T, source string) (asked []string, value string) {
	t.Helper()
	o, _ := scripttest.Run{
		Source:  `const { schedule, cancel, stopList, campaigns } = require("loopstart:campaign");` + source,
		Options: runtime.Options{Modules: []runtime.Module{Module()}},
		Host: func(_ *scripttest.Host, r message.Request, _ uint32) (any, error) {
			asked = append(asked, r.Method+" "+string(r.Args))
			switch r.Method {
			case "campaign.schedule", "campaign.create", "campaign.start":
				return map[string]string{"id": "m1", "state": "queued"}, nil
			case "campaign.stop.has":
				return map[string]bool{"found": true}, nil
			case "campaign.stop.delete":
				return map[string]bool{"deleted": false}, nil
			case "campaign.cancel":
				return nil, fault.New(fault.NotFound, "no such order")
			}
			return nil, nil
		},
	}.Do(t)
	if o.Error != nil {
		return asked, strings.TrimSuffix(fmt.Sprintf("%s: %s | %s", o.Error.Code, o.Error.Message, o.Error.Hint), " | ")
	}
	return asked, string(o.Value)
}

func TestWire(t *testing.T) {
	for source, want := range map[string]string{
		`return await schedule({ script: "s", to: "+7916", deliveredAfter: "6s", at: new Date(0), retry: { no_answer: "5m" }, data: { firstName: "A" }, timeout: 5000 })`: `campaign.schedule {"order":{"at":"1970-01-01T00:00:00.000Z","data":{"firstName":"A"},"delivered_after":"6s","retry":{"no_answer":"5m"},"script":"s","timeout":5000,"to":"+7916"}} = {"id":"m1","state":"queued"}`,
		`return await schedule({ script: "s", to: "1", window: ["09:00-13:00"], zone: "callee", priority: 5, dedupe: "1d", key: undefined })`:                             `campaign.schedule {"order":{"dedupe":"1d","priority":5,"script":"s","to":"1","window":["09:00-13:00"],"zone":"callee"}} = {"id":"m1","state":"queued"}`,
		`return await stopList.has("+7916")`:                                                                             `campaign.stop.has {"phone":"+7916"} = true`,
		`return await stopList.delete("+7916")`:                                                                          `campaign.stop.delete {"phone":"+7916"} = false`,
		`return await stopList.add("+7916", { reason: "asked", expires: "1y" })`:                                         `campaign.stop.add {"expires":"1y","phone":"+7916","reason":"asked"} = `,
		`return await campaigns.create({ script: "s", maxCalls: 5, stopWhen: { after: 10, answerRate: { min: 0.1 } } })`: `campaign.create {"campaign":{"max_calls":5,"script":"s","stop_when":{"after":10,"answer_rate":{"min":0.1}}}} = {"id":"m1","state":"queued"}`,
		`return await campaigns.start("m1", { pauseAfter: 20 })`:                                                         `campaign.start {"fields":{"pause_after":20},"id":"m1"} = {"id":"m1","state":"queued"}`,
		`return await campaigns.add("m1", { phone: "+7916", data: { aB: 1 } })`:                                          `campaign.add {"contacts":[{"phone":"+7916","data":{"aB":1}}],"id":"m1"} = null`,
		`return await campaigns.patch("m1", { window: { "mon-fri": "9:00-18:00" }, maxCps: 2 })`:                         `campaign.patch {"fields":{"max_cps":2,"window":{"mon-fri":"9:00-18:00"}},"id":"m1"} = null`,
		`return await campaigns.contact("m1", "+7916")`:                                                                  `campaign.contact {"id":"m1","key":"+7916"} = null`,
		`return await cancel({ key: "k" })`:                                                                              `campaign.cancel {"key":"k"} = NOT_FOUND: no such order`,
	} {
		asked, value := run(t, source)
		if got := strings.Join(asked, "; ") + " = " + value; got != want {
			t.Errorf("%s\n got %s\nwant %s", source, got, want)
		}
	}
}

func TestRefused(t *testing.T) {
	for source, want := range map[string]string{
		`await schedule({ script: "s", to: "1", attemps: 3 })`: `INVALID: schedule: unknown option "attemps" | did you mean attempts?`,
		`await schedule("s")`:                            `INVALID: schedule: the options are "s", an object is wanted`,
		`await schedule({ script: "s", data: () => 1 })`: `INVALID: schedule: option "data" is`,
		`await cancel({})`:                               `INVALID: cancel: either id or key is wanted`,
		`await cancel({ id: "a", key: "b" })`:            `INVALID: cancel: either id or key is wanted`,
		`await stopList.add(7916)`:                       `INVALID: stopList.add: the number is 7916, a string is wanted`,
		`await campaigns.add("m1", "x")`:                 `INVALID: campaigns.add: the contacts are "x", an array is wanted`,
		`await campaigns.add("m1", new Array(10001))`:    `LIMIT: campaigns.add: 10001 contacts at once, the most is 10000`,
		`await campaigns.start()`:                        `INVALID: campaigns.start: the id is undefined, a string is wanted`,
		`stopList.add = 1`:                               `INVALID: add cannot be set`,
	} {
		if asked, got := run(t, source); !strings.HasPrefix(got, want) || len(asked) > 0 {
			t.Errorf("%s\n got %s %v\nwant %s", source, got, asked, want)
		}
	}
}
