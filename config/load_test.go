package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

var contractEnv = map[string]string{
	"AGENT_101": "agent-secret", "MANGO_PASSWORD": "mango-secret", "CRM_API": "api-secret", "HOOK_SECRET": "hook-secret", "CRM_TOKEN": "crm-secret",
}

// load parses a text that must be good.
func load(t testing.TB, text string, o Options) *Config {
	t.Helper()
	if o.Env == nil {
		o.Env = map[string]string{}
	}
	c, err := Parse([]byte(text), FileName, o)
	if err != nil {
		t.Fatalf("%v\n%s", err, listing(err))
	}
	return c
}

// TestContractExample loads the example of the contract as it stands there.
func TestContractExample(t *testing.T) {
	c, err := Load("testdata/contract.yaml", Options{Env: contractEnv})
	if err != nil {
		t.Fatal(listing(err))
	}
	mango, _ := c.Trunk("mango")
	user, _ := c.User("101")
	sales, _ := c.Group("sales")
	office, _ := c.Schedule("office")
	secret, _ := c.Secret("CRM_TOKEN")
	for what, ok := range map[string]bool{
		"listen":    c.SIP.Listen[1] == (Listener{Transport: "tcp", Addr: netip.MustParseAddrPort("0.0.0.0:5060")}),
		"trust":     c.SIP.Trust[1] == netip.MustParsePrefix("::1/128"),
		"user":      user.Password.Reveal() == "agent-secret" && user.Display == "Anna" && slices.Equal(user.Dial, []string{"users", "+7"}) && user.Transfer == "users",
		"ports":     c.Media.Ports == PortRange{40000, 49999},
		"trunk":     mango.Password.Reveal() == "mango-secret" && mango.Register == Register{true, 300 * time.Second} && slices.Equal(mango.From, []string{"+74951234567"}),
		"timers":    mango.SessionTimer == SessionTimer{} && mango.Options == 30*time.Second && mango.MaxOut == 20 && mango.SRTP == "off",
		"group":     sales.Each == 20*time.Second && sales.Ring == "all",
		"schedule":  office.Hours.IsOpen(time.Date(2026, 11, 2, 9, 0, 0, 0, c.Location())),
		"route":     c.Routes[0].Script == "support" && c.Routes[0].Data["shop"] == "spb" && c.Routes[0].Place == "contract.yaml:36:6",
		"fallback":  c.Routes[0].Fallback[1].Connect[0] == "sales" && c.Routes[0].Fallback[2].Reject == 480,
		"operators": c.Routes[1].Record && c.Routes[1].Connect[0] == "{to}" && c.Routes[1].User[0] == "*",
		"scripts":   c.ScriptLimits("support").Calls == 100 && c.ScriptLimits("other") == ScriptLimits{Name: "other"},
		"tokens":    c.HTTP.Tokens[0].Name == "crm" && c.HTTP.Tokens[0].Token.Reveal() == "api-secret",
		"limits":    c.Limits.ScriptHeap == 64<<20 && c.Limits.ScriptCPU == 200*time.Millisecond && c.Limits.ScriptGrace == 5*time.Second,
		"keep":      c.Keep.Calls == 365*24*time.Hour,
		"secrets":   secret.Reveal() == "crm-secret",
	} {
		if !ok {
			t.Errorf("%s is not what the file says", what)
		}
	}
	var want []string // everything of the contract is built
	var got []string
	for _, n := range c.Notices() {
		got = append(got, n.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("notices\n%s", strings.Join(got, "\n"))
	}
}

func TestDefaultsOnly(t *testing.T) {
	c, err := Load("", Options{Env: map[string]string{}, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if c.Project.Country != "RU" || len(c.SIP.Listen) != 2 || c.HTTP.Listen.String() != "127.0.0.1:8780" || c.Limits.Calls != 2000 || len(c.Notices()) != 0 || c.Speech.TTS.Cache.Max != 1<<30 {
		t.Errorf("%+v", c)
	}
}

func TestUnions(t *testing.T) {
	c := load(t, `
trunks:
  a: {address: h, register: {expires: 120s}, username: u, session_timer: 1800s, options: off}
  b: {address: "h:5070;transport=tcp", register: false, session_timer: off, from: ["+7495", "+7496"], allow: 10.0.0.1, destinations: "+"}
  c: {address: h, register: true, username: u}
http: {tokens: [one-token, two-token]}
routes:
  - {to: [84951234567, "+7812*"], script: x, data: {n: 1, f: 1.5, b: true, s: "1", l: [1, null], phone: +79161234567, code: 007, m: {k: v}}}
`, Options{})
	a, b, third := c.Trunks[0], c.Trunks[1], c.Trunks[2]
	if a.Register != (Register{true, 2 * time.Minute}) || a.SessionTimer.Interval != 30*time.Minute || a.Options != 0 || third.Register != (Register{true, 5 * time.Minute}) {
		t.Errorf("%+v %+v", a, third)
	}
	if b.Register.On || !b.SessionTimer.Off || len(b.From) != 2 || b.Allow[0].String() != "10.0.0.1/32" || b.Destinations[0] != "+" || a.Destinations[0] != "+7" || b.MaxOut != b.MaxCalls {
		t.Errorf("%+v", b)
	}
	if len(c.HTTP.Tokens) != 2 || c.HTTP.Tokens[1].Name != "token2" || len(c.HTTP.Tokens[1].Allow) != 0 {
		t.Errorf("%+v", c.HTTP.Tokens)
	}
	want := map[string]any{"n": int64(1), "f": 1.5, "b": true, "s": "1", "l": []any{int64(1), nil}, "phone": "+79161234567", "code": "007", "m": map[string]any{"k": "v"}}
	if r := c.Routes[0]; !reflect.DeepEqual(r.Data, want) || !slices.Equal(r.To, []string{"+74951234567", "+7812*"}) {
		t.Errorf("%#v %v", r.Data, r.To)
	}
}

func TestAliasesAndMerge(t *testing.T) {
	c := load(t, `
trunks:
  a: &base {address: h, max_calls: 3}
  b: {<<: *base, max_calls: 7}
`, Options{})
	if c.Trunks[1].Address != "h" || c.Trunks[1].MaxCalls != 7 || c.Trunks[0].MaxCalls != 3 {
		t.Errorf("%+v", c.Trunks)
	}
}

func TestFileLimits(t *testing.T) {
	var laughs strings.Builder
	laughs.WriteString("x0: &x0 [1,2,3,4,5,6,7,8,9,10]\n")
	for i := 1; i < 9; i++ {
		fmt.Fprintf(&laughs, "x%d: &x%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*x%d,", i-1), 10), ","))
	}
	laughs.WriteString("routes: [{script: a, data: {x: *x8}}]\n")
	for name, text := range map[string]string{
		"aliases": laughs.String(), "depth": "routes: " + strings.Repeat("[", maxDepth+2) + strings.Repeat("]", maxDepth+2),
	} {
		_, err := Parse([]byte(text), FileName, Options{Env: map[string]string{}})
		if err == nil || !strings.Contains(err.Error(), "too large") {
			t.Errorf("%s: %v", name, err)
		}
	}
	path := filepath.Join(t.TempDir(), FileName)
	if err := os.WriteFile(path, []byte(strings.Repeat("#", MaxFileBytes+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path, Options{}); fault.CodeOf(err) != fault.Limit || fault.ExitOf(err) != fault.ExitConfig {
		t.Errorf("a large file: %v", err)
	}
	many := strings.Repeat("- {to: a}\n", MaxProblems+10)
	_, err := Parse([]byte("routes:\n"+many), FileName, Options{Env: map[string]string{}})
	if got := ProblemsOf(err); len(got) != MaxProblems+1 || !strings.Contains(got[MaxProblems].Message, "10 more") {
		t.Errorf("%d problems", len(got))
	}
}

func TestMissingFile(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "no.yaml"), Options{})
	if fault.CodeOf(err) != fault.NotFound || fault.ExitOf(err) != fault.ExitConfig || !strings.Contains(fault.HintOf(err), "init") {
		t.Errorf("%v", err)
	}
}

func TestPrecedence(t *testing.T) {
	const text = "http: {listen: '127.0.0.1:1'}\nlimits: {calls: 5}\nsecrets: {A: '${A}', B: '${B}'}\ntrunks: {mango-x: {address: h, password: file, from: '+7495'}}\n"
	dir := t.TempDir()
	dotenv := "# comment\nexport A=\"from\\n.env\"\nB=from .env # tail\n\nLOOPSTART_LIMITS_CALLS='7'\nC='${A}'\n"
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(dotenv), 0o600); err != nil {
		t.Fatal(err)
	}
	c := load(t, text, Options{Dir: dir, Env: map[string]string{
		"B": "from environment", "LOOPSTART_HTTP_LISTEN": "127.0.0.1:2", "LOOPSTART_LIMITS_CALL_DURATION": "9s", "LOOPSTART_TRUNKS_MANGO_X_PASSWORD": "p${x}",
		"LOOPSTART_TRUNKS_MANGO_X_FROM": "+74951111111, +74952222222", "LOOPSTART_SIP_LISTEN": "[udp://127.0.0.1:0]", "LOOPSTART_HOME": "/x", "LOOPSTART_LOG_LEVEL": "", "LOOPSTART_STORE_DIR": "d",
		"LOOPSTART_SPEECH_TTS_CACHE_MAX": "2MB",
	}, Overrides: map[string]string{"http.listen": "127.0.0.1:3"}})
	a, _ := c.Secret("A")
	b, _ := c.Secret("B")
	for what, ok := range map[string]bool{
		"override over environment": c.HTTP.Listen.Port() == 3, "environment over .env": b.Reveal() == "from environment", ".env over file": c.Limits.Calls == 7,
		"keys with underscores": c.Limits.CallDuration == 9*time.Second, "secrets are taken as they are": c.Trunks[0].Password.Reveal() == "p${x}", "lists with commas": len(c.Trunks[0].From) == 2,
		"lists in YAML": len(c.SIP.Listen) == 1 && c.SIP.Listen[0].Addr.Port() == 0, "empty is not set": c.Log.Level == "info", "escapes": a.Reveal() == "from\n.env", "nested": c.Speech.TTS.Cache.Max == 2<<20 && c.Store.Dir == "d",
	} {
		if !ok {
			t.Errorf("%s: no", what)
		}
	}
}

func TestEnvironmentErrors(t *testing.T) {
	for name, want := range map[string]string{
		"LOOPSTART_HTTP_LISTTEN":          "environment variable LOOPSTART_HTTP_LISTTEN: no key of http is meant by this name",
		"LOOPSTART_LIMITS_CALLS":          "environment variable LOOPSTART_LIMITS_CALLS: limits.calls: its value is not a whole number",
		"LOOPSTART_TRUNKS_NOBODY_ADDRESS": "environment variable LOOPSTART_TRUNKS_NOBODY_ADDRESS: no key of trunks is meant by this name",
		"LOOPSTART_SIP_LISTEN":            "environment variable LOOPSTART_SIP_LISTEN: sip.listen[0]: its value is not an address such as udp://0.0.0.0:5060",
	} {
		_, err := Parse(nil, FileName, Options{Env: map[string]string{name: "secret"}})
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := Parse(nil, FileName, Options{Env: map[string]string{}, Overrides: map[string]string{"http.listn": "x"}})
	if err == nil || err.Error() != "override http.listn: there is no such key" {
		t.Errorf("%v", err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte("GOOD=1\nsecret-without-name\nX=\"open\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Parse(nil, FileName, Options{Env: map[string]string{}, Dir: dir})
	if err == nil || err.Error() != ".env:2:1: this line is no NAME=value\n.env:3:1: this line is no NAME=value" {
		t.Errorf("%v", err)
	}
}

func TestDevDoesWithoutVariablesOfTrunks(t *testing.T) {
	const text = "trunks: {a: {address: h, username: u, password: '${A}'}, b: {address: '${B}'}}\nwebhooks: [{url: 'https://x', secret: '${C}'}]\n"
	c := load(t, text, Options{Dev: true})
	if n := c.Notices(); len(n) != 3 || !strings.Contains(n[0].Message, "A is not set") {
		t.Errorf("%v", n)
	}
	for _, live := range []string{"a", "*"} {
		if _, err := Parse([]byte(text), FileName, Options{Env: map[string]string{}, Dev: true, Live: []string{live}}); err == nil {
			t.Errorf("--live %s did without the password", live)
		}
	}
	if _, err := Parse([]byte("secrets: {A: '${A}'}"), FileName, Options{Env: map[string]string{}, Dev: true}); err == nil {
		t.Error("a section that dev uses did without its variable")
	}
}

func TestSecretsNeverPrint(t *testing.T) {
	c, err := Load("testdata/contract.yaml", Options{Env: contractEnv})
	if err != nil {
		t.Fatal(err)
	}
	asJSON, _ := json.Marshal(c)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "config", c, "one", c.Trunks[0].Password)
	for name, text := range map[string]string{
		"%v": fmt.Sprintf("%v", c), "%+v": fmt.Sprintf("%+v", c.Trunks), "%#v": fmt.Sprintf("%#v", c.Trunks), "%x": fmt.Sprintf("%x %s %q", c.Trunks[0].Password, c.Secrets, c.HTTP.Tokens),
		"json": string(asJSON), "slog": log.String(), "show": c.Show(),
	} {
		for _, value := range contractEnv {
			if strings.Contains(text, value) || strings.Contains(text, fmt.Sprintf("%x", value)) {
				t.Errorf("%s prints %s", name, value)
			}
		}
	}
}

// TestShowLoadsAgain shows a config, loads that text and shows it again.
func TestShowLoadsAgain(t *testing.T) {
	for _, path := range []string{"testdata/contract.yaml", ""} {
		c, err := Load(path, Options{Env: contractEnv, Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		shown := c.Show()
		if path != "" {
			golden(t, "testdata/show.yaml", shown)
		}
		again, err := Parse([]byte(shown), FileName, Options{Env: map[string]string{}})
		if err != nil {
			t.Fatalf("%s\n%s", shown, listing(err))
		}
		if again.Show() != shown {
			t.Errorf("shown twice it differs:\n%s\n%s", shown, again.Show())
		}
		for _, key := range allKeys(reflect.TypeFor[Config](), path != "") {
			if !strings.Contains(shown, key+":") {
				t.Errorf("the key %s is not shown", key)
			}
		}
	}
}

// TestShowOfIPv6 reads what is shown of listeners whose brackets mean something else in YAML.
func TestShowOfIPv6(t *testing.T) {
	c, err := Parse([]byte(`sip: {listen: ["udp://[::1]:5060", tcp://127.0.0.1:5060]}`), FileName, Options{Env: map[string]string{}})
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse([]byte(c.Show()), FileName, Options{Env: map[string]string{}})
	if err != nil {
		t.Fatal(listing(err))
	}
	if !slices.Equal(again.SIP.Listen, c.SIP.Listen) {
		t.Errorf("shown and read again the listeners are %v, not %v", again.SIP.Listen, c.SIP.Listen)
	}
	if plain, _ := c.Plain().(map[string]any); plain["sip"] == nil {
		t.Errorf("as plain values the config is %v", plain)
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != got {
		t.Errorf("%s differs (%v); after -update look at the diff\n%s", path, err, got)
	}
}

// allKeys lists the keys of a struct and of what is in it; without deep only
// those that have a value even in an empty file.
func allKeys(t reflect.Type, deep bool) []string {
	var out []string
	for _, f := range fieldsOf(t) {
		if f.key != "" {
			out = append(out, f.key)
		}
		inner := t.Field(f.index).Type
		isList := inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer
		for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && decoderFor(inner) == nil && !isList {
			out = append(out, allKeys(inner, deep)...)
		}
	}
	return out
}

// TestTemplateHasEveryKey checks the file that init writes: it loads as it is,
// and with every comment taken off it is a valid config that has every key.
func TestTemplateHasEveryKey(t *testing.T) {
	c := load(t, Template("menu"), Options{})
	if len(c.Routes) != 1 || c.Routes[0].Script != "menu" {
		t.Errorf("%+v", c.Routes)
	}
	bare := regexp.MustCompile(`(?m)^# ( *(?:[a-z_0-9]+:|- |"101":|CRM_TOKEN:))`).ReplaceAllString(Template("menu"), "$1")
	env := map[string]string{"AGENT_101": "a", "MANGO_PASSWORD": "b", "CRM_API": "c-token", "TTS_KEY": "d", "HOOK_SECRET": "e", "CRM_TOKEN": "f", "B24_WEBHOOK": "https://example.bitrix24.ru/rest/1/g/", "B24_SECRET": "h", "RETAILCRM_KEY": "i"}
	full, err := Parse([]byte(bare), FileName, Options{Env: env})
	if err != nil {
		t.Fatalf("%s\n%s", bare, listing(err))
	}
	for _, key := range everyKey(reflect.TypeFor[Config]()) {
		if !regexp.MustCompile(`\b` + key + `:`).MatchString(bare) {
			t.Errorf("the template has no %s", key)
		}
	}
	plain := load(t, "", Options{})
	if full.Limits != plain.Limits || full.Keep != plain.Keep || full.Recordings != plain.Recordings || !reflect.DeepEqual(full.Media, plain.Media) || full.Log != plain.Log {
		t.Errorf("the template shows other defaults than there are:\n%+v\n%+v", full, plain)
	}
}

func everyKey(t reflect.Type) []string {
	var out []string
	for _, f := range fieldsOf(t) {
		if f.key != "" {
			out = append(out, f.key)
		}
		inner := t.Field(f.index).Type
		for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && decoderFor(inner) == nil {
			out = append(out, everyKey(inner)...)
		}
	}
	return out
}

func TestEveryFieldIsDocumented(t *testing.T) {
	var walk func(path string, t reflect.Type, fail func(string))
	walk = func(path string, t reflect.Type, fail func(string)) {
		for _, f := range fieldsOf(t) {
			if f.tag.Get("doc") == "" && !f.inline {
				fail(path + "." + f.key)
			}
			inner := t.Field(f.index).Type
			for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			if inner.Kind() == reflect.Struct && decoderFor(inner) == nil {
				walk(path+"."+f.key, inner, fail)
			}
		}
	}
	walk("", reflect.TypeFor[Config](), func(path string) { t.Errorf("%s has no doc tag", path) })
}

func TestSchema(t *testing.T) {
	text := Schema()
	golden(t, "testdata/schema.json", string(text))
	var s struct {
		Properties map[string]struct {
			Properties           map[string]map[string]any `json:"properties"`
			AdditionalProperties any                       `json:"additionalProperties"`
			Description          string                    `json:"description"`
		} `json:"properties"`
		AdditionalProperties bool `json:"additionalProperties"`
	}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	limits := s.Properties["limits"]
	if s.AdditionalProperties || limits.AdditionalProperties != false || limits.Description == "" || limits.Properties["script_heap"]["default"] != "64MB" || limits.Properties["calls"]["default"] != 2000.0 {
		t.Errorf("%+v", limits)
	}
}

func TestCheckScripts(t *testing.T) {
	c := load(t, "routes: [{script: suport}, {script: menu}]\nscripts: {limits: {gone: {calls: 1}}}\nhttp: {tokens: {a: {token: abcdef, scripts: [menu, x]}}}\n", Options{})
	got := c.CheckScripts([]string{"menu", "support"})
	var lines []string
	for _, e := range got {
		lines = append(lines, e.Error()+" / "+e.Hint)
		if fault.ExitOf(e) != fault.ExitConfig {
			t.Errorf("exit %d", fault.ExitOf(e))
		}
	}
	want := []string{
		`loopstart.yaml:1:11: routes[0].script: there is no script "suport" / did you mean "support"?`,
		`loopstart.yaml:2:20: scripts.limits.gone: there is no script "gone" / known are menu, support`,
		`loopstart.yaml:3:36: http.tokens.a.scripts: there is no script "x" / known are menu, support`,
	}
	if !slices.Equal(lines, want) {
		t.Errorf("%s", strings.Join(lines, "\n"))
	}
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]Bytes{"64MB": 64 << 20, "512 KB": 512 << 10, "2gb": 2 << 30, "17": 17, "0": 0} {
		if got, err := ParseBytes(text); err != nil || got != want {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "MB", "-1", "1.5GB", "99999999999GB", "64XB"} {
		if got, err := ParseBytes(text); err == nil {
			t.Errorf("%s: %v", text, got)
		}
	}
	if Bytes(1536<<10).String() != "1536KB" || Bytes(0).String() != "0" || Bytes(1<<30).String() != "1GB" || Bytes(5).String() != "5" {
		t.Error("String")
	}
}

func TestProblemsUnwrap(t *testing.T) {
	_, err := Parse([]byte("a: 1\nb: 2\n"), FileName, Options{Env: map[string]string{}})
	var all Problems
	if !errors.As(fmt.Errorf("start: %w", err), &all) || len(all) != 2 || len(ProblemsOf(err)) != 2 {
		t.Errorf("%v", err)
	}
	if got := ProblemsOf(fault.New(fault.Limit, "x")); len(got) != 1 {
		t.Errorf("%v", got)
	}
	if got := ProblemsOf(errors.New("x")); got != nil {
		t.Errorf("%v", got)
	}
}

func FuzzParse(f *testing.F) {
	seeds, err := filepath.Glob("testdata/errors/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range append(seeds, "testdata/contract.yaml", "template.yaml") {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse([]byte(text), FileName, Options{Env: contractEnv})
		if err != nil {
			if len(ProblemsOf(err)) == 0 {
				t.Fatalf("an error without problems: %v", err)
			}
			return
		}
		c.Show()
		c.Match(Incoming{To: "+74951234567", User: "101"}, func(string) bool { return true })
	})
}

func FuzzDotEnv(f *testing.F) {
	f.Add("A=1\nexport B=\"x\\n\" # c\nC='$'\n")
	f.Fuzz(func(t *testing.T, text string) {
		env := map[string]string{}
		parseDotEnv(text, env, func(_ place, message, _ string) {
			if message != "this line is no NAME=value" {
				t.Fatal(message)
			}
		})
		for name := range env {
			if !variableName(name) {
				t.Fatalf("%q is no name", name)
			}
		}
	})
}

// TestNoticesOfNumbers: what may be meant and mostly is not, is told by check.
func TestNoticesOfNumbers(t *testing.T) {
	c := load(t, "sip: {listen: [udp://0.0.0.0:41000]}\nmedia: {ports: 40000-41999, timeout: 0}\nhttp: {listen: \":8780\", tokens: [short, "+strings.Repeat("x", 16)+"]}\n"+
		"limits: {calls: 1001, ring: 3600, drain: 0, dead_air: 5s}\n", Options{})
	want := []string{
		"loopstart.yaml:4:29: limits.ring: a number without a unit is milliseconds: 3s600ms",
		"media.ports: 40000-41999 holds the port of sip.listen[0], which carries no audio then",
		"limits.calls: 1001 calls, but media.ports has room for the audio of 1000",
		"http.tokens.token1: the token is short, and http.listen is open to others: `openssl rand -hex 24` makes one that is not",
	}
	var got []string
	for _, n := range c.Notices() {
		got = append(got, n.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
