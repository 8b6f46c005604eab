package engine

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/api"
)

// ask sends a request to the API of an engine.
func (p *project) ask(t *testing.T, method, target, kind, body string) (int, map[string]any) {
	t.Helper()
	req := httptest.NewRequest(method, target, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer t")
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	w := httptest.NewRecorder()
	p.Handler(api.Token{Name: "t", Token: "t"}).ServeHTTP(w, req)
	var out map[string]any
	if w.Body.Len() > 0 && json.Unmarshal(w.Body.Bytes(), &out) != nil {
		t.Fatalf("%s %s: %s", method, target, w.Body)
	}
	return w.Code, out
}

func answers(text string) string {
	return `export default async (call) => { await call.answer(); call.result = "` + text + `"; };`
}

// TestDeployment goes the whole way over the API: upload, roll back, canary,
// promote, delete, and calls that get what was said.
func TestDeployment(t *testing.T) {
	p := serve(t, "", map[string]string{"a.js": answers("one"), "_lib/x.ts": "export const x = 1;"})
	n := 0
	result := func() string {
		t.Helper()
		p.ring(t, "a", "")
		n++
		return strings.Trim(string(p.last(t, n).Result), `"`)
	}
	must := func(method, target, kind, body string, status int) map[string]any {
		t.Helper()
		code, out := p.ask(t, method, "/v1/scripts"+target, kind, body)
		if code != status {
			t.Fatalf("%s %s: %d %v", method, target, code, out)
		}
		return out
	}
	if got := result(); got != "one" {
		t.Fatal(got)
	}
	one := must("GET", "", "", "", 200)["scripts"].([]any)[0].(map[string]any)["version"].(string)
	up := must("PUT", "/a", "text/javascript", answers("two"), 200)
	if up["state"] != "active" || up["version"] == one {
		t.Fatal(up)
	}
	if got := result(); got != "two" {
		t.Fatal(got)
	}
	if out := must("POST", "/a/rollback", "application/json", `{"version":"`+one+`"}`, 200); out["active"] != one || out["pinned"] != true {
		t.Fatal(out)
	}
	up = must("PUT", "/a", "text/javascript", answers("three"), 200)
	if up["state"] != "kept" {
		t.Fatal(up)
	}
	if got := result(); got != "one" {
		t.Fatal(got)
	}
	must("POST", "/a/canary", "application/json", `{"calls":1}`, 200)
	if got := result() + result(); got != "threeone" {
		t.Fatal(got)
	}
	var states []string
	for _, v := range must("GET", "/a/versions", "", "", 200)["versions"].([]any) {
		l := v.(map[string]any)
		states = append(states, fmt.Sprint(l["state"], " ", l["canary"], " ", l["pinned"], " ", l["author"] != nil && l["built"] != nil))
	}
	if got := strings.Join(states, ", "); got != "active true <nil> true, kept <nil> <nil> true, active <nil> true true" {
		t.Fatal(got)
	}
	must("POST", "/a/promote", "", "", 200)
	if got := result(); got != "three" {
		t.Fatal(got)
	}
	must("POST", "/a/unpin", "", "", 409)
	must("DELETE", "/a/canary", "", "", 409)
	must("POST", "/none/promote", "", "", 404)
	must("DELETE", "/a", "", "", 204)
	must("GET", "/a/versions", "", "", 404)
}

// archive is a zip of name=text.
func archive(t *testing.T, files ...string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		name, text, _ := strings.Cut(f, "=")
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write([]byte(text))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestUploadOfAnArchive(t *testing.T) {
	p := serve(t, "", map[string]string{"_lib/x.ts": "export const x = 'lib';"})
	good := "main.ts=import {x} from '../_lib/x'; import {w} from './w'; export const config = {language: 'en'}; export default async (call: any) => { await call.answer(); call.result = x + w; };"
	code, out := p.ask(t, "PUT", "/v1/scripts/b", "application/zip", archive(t, good, "w.ts=export const w = 'mine';"))
	if code != 200 {
		t.Fatal(code, out)
	}
	p.ring(t, "b", "")
	if r := p.last(t, 1); string(r.Result) != `"libmine"` {
		t.Fatalf("%+v", r)
	}
	for name, body := range map[string]string{
		"a slip":              archive(t, good, "w.ts=export const w = 1;", "../../evil.ts=x"),
		"a syntax error":      archive(t, "main.ts=export default () => {\n  const = 1;\n};"),
		"what does not load":  archive(t, "main.ts=throw new Error('at load'); export default () => {};"),
		"an unknown built-in": archive(t, "main.ts=import {kv} from 'loopstart:cor'; export default () => kv;"),
	} {
		code, out := p.ask(t, "PUT", "/v1/scripts/b", "application/zip", body)
		e, _ := out["error"].(map[string]any)
		place, _ := e["place"].(string)
		if code != 422 || name != "a slip" && !strings.HasPrefix(place, "b/main.ts:") {
			t.Errorf("%s: %d %v", name, code, out)
		}
		if name == "a syntax error" && (place != "b/main.ts:2:9" || !strings.Contains(fmt.Sprint(e["frame"]), "const = 1")) {
			t.Errorf("%v", e)
		}
	}
	if _, err := os.Stat(filepath.Join(p.dir, "evil.ts")); err == nil {
		t.Error("a file outside of the folder")
	}
	p.ring(t, "b", "")
	if r := p.last(t, 2); string(r.Result) != `"libmine"` {
		t.Fatalf("after broken uploads: %+v", r)
	}
}

// TestPinsSurviveARestart: the next process over the same folders goes on.
func TestPinsSurviveARestart(t *testing.T) {
	p := serve(t, "", map[string]string{"a.js": answers("one")})
	one, err := p.scripts.Current("a")
	if err != nil {
		t.Fatal(err)
	}
	if code, out := p.ask(t, "PUT", "/v1/scripts/a", "text/javascript", answers("two")); code != 200 {
		t.Fatal(out)
	}
	if code, out := p.ask(t, "POST", "/v1/scripts/a/rollback", "", ""); code != 200 || out["active"] != one.ID {
		t.Fatal(out)
	}
	p.Close()
	again, err := New(p.Config(), p.opts)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if v, err := again.scripts.Current("a"); err != nil || v.ID != one.ID {
		t.Fatalf("%+v %v", v, err)
	}
	lines := (*surface)(again).Scripts(func(string) bool { return true }).([]ScriptLine)
	if len(lines) != 1 || !lines[0].Pinned || lines[0].Latest == "" || lines[0].Latest == one.ID {
		t.Errorf("%+v", lines)
	}
}

func TestUploadLimitIsConfigured(t *testing.T) {
	p := serve(t, "limits: {script_upload: 2KB}", map[string]string{"a.js": answers("one")})
	code, _ := p.ask(t, "PUT", "/v1/scripts/a", "text/javascript", answers(strings.Repeat("x", 2048)))
	if code != http.StatusRequestEntityTooLarge {
		t.Error(code)
	}
}
