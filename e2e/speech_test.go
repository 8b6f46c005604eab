package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/loopstart/loopstart/e2e/internal/phone"
	"github.com/loopstart/loopstart/media/codec"
)

// TestSpeech lets a phone speak to a script that asks a Vosk server, and when
// that is gone a command.
func TestSpeech(t *testing.T) {
	t.Parallel()
	var samples atomic.Int64
	vosk := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for {
			kind, data, err := c.Read(context.Background())
			switch {
			case err != nil:
				return
			case kind == websocket.MessageBinary:
				samples.Add(int64(len(data) / 2))
				err = c.Write(context.Background(), websocket.MessageText, []byte(`{"partial":""}`))
			case strings.Contains(string(data), "eof"):
				_ = c.Write(context.Background(), websocket.MessageText, []byte(`{"text":"с оператором","result":[{"conf":0.9}]}`))
				_ = c.Close(websocket.StatusNormalClosure, "")
				return
			}
			if err != nil {
				return
			}
		}
	}))
	t.Cleanup(vosk.Close)
	p := serve(t, files{"ask.ts": `
export const config = { language: "ru-RU" };
export default async function (call) {
  await call.answer();
  const first = await call.gather({ prompt: { play: "tone:500/30s" }, speech: { hints: ["да"] }, timeout: "20s" });
  const second = await call.gather({ prompt: { play: "tone:800/300ms" }, speech: { engine: "own" }, timeout: "20s" });
  const third = await call.gather({ digits: 1, speech: true, timeout: "20s" });
  call.result = [first, second.speech, third];
}`, "none.ts": `
export default async function (call) {
  try { await call.gather({ speech: { engine: "none" } }); } catch (e) { call.result = e.code; }
}`}, conf{rest: `speech: {asr: {engines: {vosk: {driver: vosk, url: "ws` + strings.TrimPrefix(vosk.URL, "http") + `"}, own: {driver: command, command: [sh, -c, "wc -c >/dev/null; echo yes of course"]}}}}`})
	ulaw, err := os.ReadFile("../media/detect/testdata/speech/operator.ulaw")
	if err != nil {
		t.Fatal(err)
	}
	phrase := make([]int16, len(ulaw))
	codec.PCMU.Decode(phrase, ulaw)
	source := func(n int) int16 {
		if n < len(phrase) {
			return phrase[n]
		}
		return 0
	}
	c := phone.New(t, "+79000000211", "127.0.0.1").Call(p.uri("ask"), p.sip)
	c.Talk(5 * time.Second)
	c.Media.WaitTone(500, 100*time.Millisecond, 0, 5*time.Second)
	c.Media.Play(source) // speech ends the prompt of 30 s
	mark := c.Media.Mark()
	c.Media.WaitTone(800, 200*time.Millisecond, mark, 15*time.Second)
	c.Media.Play(source)
	eventually(t, "the second text", 15*time.Second, func() bool {
		return strings.Contains(timeline(p, "+79000000211"), "yes of course")
	})
	c.Media.Press("7")
	c.Request("BYE", 15*time.Second)
	r := p.ended("+79000000211")
	want := `[{"digits":"","reason":"speech","speech":{"text":"с оператором","confidence":0.9,"engine":"vosk"}},{"text":"yes of course","engine":"own"},{"digits":"7","reason":"digits"}]`
	if string(r.Result) != want {
		t.Errorf("%s", r.Result)
	}
	if n := samples.Load(); n < 16000 || n > 48000 {
		t.Errorf("the recogniser got %d samples of a phrase of %d", n, len(phrase))
	}
	d := phone.New(t, "+79000000212", "127.0.0.1").Call(p.uri("none"), p.sip)
	d.Talk(5 * time.Second)
	d.Request("BYE", 10*time.Second)
	if r := p.ended("+79000000212"); string(r.Result) != `"NOT_FOUND"` {
		t.Errorf("%s", r.Result)
	}
}

// timeline is that of the call of a number that goes on.
func timeline(p *project, from string) string {
	var list struct {
		Calls []struct{ ID string }
	}
	p.api("GET", "/v1/calls?from="+strings.ReplaceAll(from, "+", "%2B"), nil, &list)
	if len(list.Calls) == 0 {
		return ""
	}
	var line struct {
		Events []struct{ Kind, Detail string }
	}
	p.api("GET", "/v1/calls/"+list.Calls[0].ID+"/timeline", nil, &line)
	out := ""
	for _, e := range line.Events {
		out += e.Kind + " " + e.Detail + "\n"
	}
	return out
}
