package engine

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

// gate is an engine that has only what checking signatures needs.
func gate() (*Engine, *clock.Virtual) {
	clk := clock.NewVirtual(time.Unix(1_800_000_000, 0))
	e := &Engine{clk: clk, log: slog.New(slog.DiscardHandler)}
	e.cfg.Store(&config.Config{Secrets: []config.Entry{{Name: "A", Value: "first"}, {Name: "B", Value: "second"}, {Name: "EMPTY"}}})
	return e, clk
}

func signRule(t *testing.T, text string) *hookSign {
	t.Helper()
	st, err := ParseStatic("x", json.RawMessage(`{"hook":{"sign":`+text+`}}`))
	if err != nil {
		t.Fatal(err)
	}
	return st.Hook.Sign
}

func macOf(secret, text string) []byte {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(text))
	return m.Sum(nil)
}

func TestHookSignature(t *testing.T) {
	const body = `{"id": 1}`
	e, clk := gate()
	now := strconv.FormatInt(clk.Now().Unix(), 10)
	hexOf := func(secret, text string) string { return hex.EncodeToString(macOf(secret, text)) }
	other := func(d time.Duration) string {
		at := clk.Now().Add(d)
		return Signature("first", at, []byte(body))
	}
	cases := []struct {
		name, rule string
		headers    [][2]string
		want       fault.Code
	}{
		{"ours", `"A"`, [][2]string{{"loopstart-signature", Signature("first", clk.Now(), []byte(body))}}, ""},
		{"nothing", `"A"`, nil, fault.Unauthorized},
		{"another secret", `"A"`, [][2]string{{"loopstart-signature", Signature("second", clk.Now(), []byte(body))}}, fault.Unauthorized},
		{"another body", `"A"`, [][2]string{{"loopstart-signature", Signature("first", clk.Now(), []byte(body+" "))}}, fault.Unauthorized},
		{"another time put in front", `"A"`, [][2]string{{"loopstart-signature", strings.Replace(other(-time.Hour), "t=", "t="+now+",x=", 1)}}, fault.Unauthorized},
		{"too old", `"A"`, [][2]string{{"loopstart-signature", other(-5*time.Minute - time.Second)}}, fault.Unauthorized},
		{"too early", `"A"`, [][2]string{{"loopstart-signature", other(5*time.Minute + time.Second)}}, fault.Unauthorized},
		{"old enough for its window", `{"secret":"A","window":"10m"}`, [][2]string{{"loopstart-signature", other(-6 * time.Minute)}}, ""},
		{"a body's hmac in our header has no time", `"A"`, [][2]string{{"loopstart-signature", hexOf("first", body)}}, fault.Unauthorized},
		{"rotated", `{"secret":["B","A"]}`, [][2]string{{"loopstart-signature", other(-time.Second)}}, ""},
		{"one of two signatures", `{"secret":"A","header":"X-Sig"}`, [][2]string{{"x-sig", "t=" + now + ",v1=00,v1=" + hexOf("first", now+"."+body)}}, ""},
		{"hex", `{"secret":"A","header":"X-Hub-Signature-256"}`, [][2]string{{"x-hub-signature-256", "sha256=" + hexOf("first", body)}}, ""},
		{"base64", `{"secret":"A","header":"X-Sig"}`, [][2]string{{"x-sig", base64.StdEncoding.EncodeToString(macOf("first", body))}}, ""},
		{"cut short", `{"secret":"A","header":"X-Sig"}`, [][2]string{{"x-sig", hexOf("first", body)[:62]}}, fault.Unauthorized},
		{"empty", `{"secret":"A","header":"X-Sig"}`, [][2]string{{"x-sig", ""}}, fault.Unauthorized},
		{"time beside", `{"secret":"A","header":"X-Sig","timestamp":"X-Time"}`, [][2]string{{"x-time", now}, {"x-sig", hexOf("first", now+"."+body)}}, ""},
		{"time left out", `{"secret":"A","header":"X-Sig","timestamp":"X-Time"}`, [][2]string{{"x-sig", hexOf("first", body)}}, fault.Unauthorized},
		{"time is no number", `{"secret":"A","header":"X-Sig","timestamp":"X-Time"}`, [][2]string{{"x-time", "now"}, {"x-sig", hexOf("first", "now."+body)}}, fault.Unauthorized},
		{"no such secret", `"C"`, [][2]string{{"loopstart-signature", other(0)}}, fault.Unavailable},
		{"empty secret", `"EMPTY"`, [][2]string{{"loopstart-signature", Signature("", clk.Now(), []byte(body))}}, fault.Unavailable},
	}
	for i, c := range cases {
		r := HookRequest{Method: "POST", Body: []byte(body), Headers: c.headers}
		if _, err := e.checkSignature(fmt.Sprint("s", i), signRule(t, c.rule), r); fault.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

func TestHookReplay(t *testing.T) {
	e, clk := gate()
	rule := signRule(t, `"A"`)
	ask := func(script string) (func(), error) {
		r := HookRequest{Body: []byte("x"), Headers: [][2]string{{"Loopstart-Signature", Signature("first", time.Unix(1_800_000_000, 0), []byte("x"))}}}
		return e.checkSignature(script, rule, r)
	}
	forget, err := ask("x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ask("x"); fault.CodeOf(err) != fault.Conflict || e.seen.Replays.Load() != 1 {
		t.Fatal(err)
	}
	if _, err := ask("y"); err != nil { // another script's is another request
		t.Fatal(err)
	}
	forget()
	if _, err := ask("x"); err != nil {
		t.Fatal("the first one failed, so the second is no replay:", err)
	}
	clk.Advance(5*time.Minute + time.Second)
	if _, err := ask("x"); fault.CodeOf(err) != fault.Unauthorized {
		t.Fatal(err)
	}
}

func TestSignaturesLimit(t *testing.T) {
	var s signatures
	now := time.Unix(1_800_000_000, 0)
	for i := range maxSeenSignatures + 5 {
		if !s.first(strconv.Itoa(i), now, time.Minute) {
			t.Fatal(i)
		}
	}
	if len(s.order) != maxSeenSignatures || len(s.until) != maxSeenSignatures || s.Forgotten.Load() != 5 {
		t.Fatalf("%d %d %d", len(s.order), len(s.until), s.Forgotten.Load())
	}
	if !s.first("later", now.Add(time.Minute), time.Minute) || len(s.order) != 1 {
		t.Fatalf("%d are left after their time", len(s.order))
	}
}

func TestHookSignConfig(t *testing.T) {
	for _, bad := range []string{`""`, `{}`, `{"secret":[]}`, `{"secret":"A","window":"2h"}`, `{"secret":"A","window":"soon"}`, `{"secret":"A","algo":"md5"}`, `5`} {
		if _, err := ParseStatic("x", json.RawMessage(`{"hook":{"sign":`+bad+`}}`)); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestSignedHook goes the whole way: HTTP, signature, script, answer.
func TestSignedHook(t *testing.T) {
	p := serve(t, "secrets: {CRM: s3cret-of-crm}\n", map[string]string{"crm.ts": `
export const config = { hook: { sign: "CRM" } };
let n = 0;
export function onRequest(r) {
  if (r.path === "/breaks") throw new Error("secret thing");
  return { path: r.path, q: r.query.a, json: r.json ?? null, form: r.form ? r.form.get ? r.form.get("b") : r.form.b : null };
}
export default async function () {}
`})
	h := p.Handler()
	ask := func(method, path, kind, body, sig string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		if sig != "" {
			r.Header.Set("Loopstart-Signature", sig)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	sign := func(body string) string { return Signature("s3cret-of-crm", p.clk.Now(), []byte(body)) }
	const form = "application/x-www-form-urlencoded"
	w := ask("POST", "/v1/hooks/crm/new?a=1", "application/json", `{"id":7}`, sign(`{"id":7}`))
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"json":{"id":7}`) || !strings.Contains(w.Body.String(), `"path":"/new"`) {
		t.Fatal(w.Code, w.Body)
	}
	if w := ask("POST", "/v1/hooks/crm/new", form, "b=c+d", sign("b=c+d")); w.Code != 200 || !strings.Contains(w.Body.String(), `"form":"c d"`) {
		t.Fatal(w.Code, w.Body)
	}
	if w := ask("POST", "/v1/hooks/crm/new", "application/json", `{"id":8}`, sign(`{"id":7}`)); w.Code != http.StatusUnauthorized {
		t.Fatal(w.Code, w.Body)
	}
	if w := ask("GET", "/v1/hooks/crm", "", "", ""); w.Code != http.StatusUnauthorized {
		t.Fatal(w.Code, w.Body)
	}
	sig := sign("again")
	if w := ask("PUT", "/v1/hooks/crm/breaks", "text/plain", "again", sig); w.Code != 500 || strings.Contains(w.Body.String(), "secret thing") {
		t.Fatal(w.Code, w.Body)
	}
	for _, want := range []int{200, http.StatusConflict} { // the failed one may be sent again, the served one not
		if w := ask("PUT", "/v1/hooks/crm", "text/plain", "again", sig); w.Code != want {
			t.Fatal(w.Code, w.Body)
		}
	}
}
