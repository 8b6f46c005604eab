package engine

import (
	"bytes"
	"context"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/loopstart/loopstart/api"
	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/engine/sounds"
	"github.com/loopstart/loopstart/internal/fault"
)

// escapes are names that would lead from a folder to secret.wav beside it, to
// the machine's files and devices, or nowhere.
func escapes(outside string) []string {
	up := strings.Repeat("../", 20)
	return []string{
		"../secret.wav", "../../secret.wav", "./../secret.wav", "x/../../secret.wav", "prompts/../../secret.wav", "a/b/../../../secret.wav", "..//secret.wav", "../", "..", "...", "....//secret.wav",
		"..././secret.wav", up + "etc/passwd", up + "proc/self/environ", up + "dev/zero", "/etc/passwd", "//etc/passwd", "/proc/self/mem", "/dev/zero", "/dev/stdin", "/dev/random", "/dev/fd/0",
		outside, "file://" + outside, "file:" + outside, "file:///etc/passwd", `..\secret.wav`, `..\..\secret.wav`, `C:\secret.wav`, `\\host\share\x.wav`, "\x00", "hello.wav\x00", "../secret.wav\x00.wav", "hello.wav\x00../secret.wav",
		"%2e%2e/secret.wav", "%2e%2e%2fsecret.wav", "..%2fsecret.wav", "..%252fsecret.wav", "..%c0%afsecret.wav", "%00", "．．/secret.wav", "..／secret.wav", "..\u2215secret.wav", "\u202e../secret.wav",
		"link.wav", "linkdir/secret.wav", "deep/link.wav", "chain.wav", "loop.wav", "dir.wav", "fifo.wav", "prompts", ".", "/", strings.Repeat("x", 300), strings.Repeat("x/", 2100) + "x.wav", strings.Repeat("../", 1500) + outside,
		"CON", "NUL.wav", "aux.wav", "hello.wav:stream", "~/secret.wav", "~root/x.wav", "$HOME/secret.wav", "`id`.wav", "; cat /etc/passwd", "|id", "-rf", "\n", " ", "\xff\xfe.wav",
	}
}

// TestPromptsStayInTheirFolder plays every escape.
func TestPromptsStayInTheirFolder(t *testing.T) {
	p := serve(t, "", map[string]string{"a/main.js": answers("x")})
	dir := filepath.Join(p.dir, "scripts", "a")
	wav := tone(t, p)
	put := func(path string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, wav, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	outside := filepath.Join(p.dir, "secret.wav")
	put(outside)
	put(filepath.Join(p.dir, "scripts", "secret.wav"))
	put(filepath.Join(dir, "hello.wav"))
	put(filepath.Join(dir, "prompts", "en-US", "lang.wav"))
	for name, to := range map[string]string{
		"link.wav": outside, "linkdir": p.dir, "deep/link.wav": "../../../secret.wav", "chain.wav": "link.wav", "loop.wav": "loop.wav", "inner.wav": "hello.wav",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "dir.wav"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo.wav"), 0o644); err != nil {
		t.Fatal(err)
	}
	v, err := p.scripts.Current("a")
	if err != nil {
		t.Fatal(err)
	}
	play := func(name, language string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_, err := (*prompts)(p.Engine).Load(ctx, call.PromptRequest{Parts: []call.Part{{Play: name}}, Language: language, Script: "a", Version: v.ID})
		return err
	}
	for _, name := range []string{"hello.wav", "./hello.wav", "lang.wav", "inner.wav", "prompts/../hello.wav"} {
		if err := play(name, "en-US"); err != nil {
			t.Errorf("%q: %v", name, err) // else the test below proves nothing
		}
	}
	list := escapes(outside)
	if len(list) < 60 {
		t.Fatalf("%d payloads", len(list))
	}
	for _, name := range list {
		if err := play(name, "en-US"); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("play %.80q: %v, want NOT_FOUND", name, err)
		}
		// A script also says its language.
		if err := play("secret.wav", name); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("language %.80q: %v, want NOT_FOUND", name, err)
		}
	}
}

// tone is a short WAV file.
func tone(t *testing.T, p *project) []byte {
	t.Helper()
	data, ok := sounds.Builtin("en", "apology.wav")
	if ok {
		return data
	}
	pcm := bytes.Repeat([]byte{0, 16}, 8000/10)
	head := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data")
	size := func(n int) []byte { return []byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)} }
	copy(head[4:], size(36+len(pcm)))
	return append(append(head, size(len(pcm))...), pcm...)
}

// plainID is an id like others.
var plainID = regexp.MustCompile(`^[0-9a-z]+([.-][0-9a-z]+)*$`)

// TestRecordingsStayInTheirFolder asks for every escape by the API, by signed
// links, by play and by an attachment.
func TestRecordingsStayInTheirFolder(t *testing.T) {
	p := serve(t, "recordings: {dir: recordings}", map[string]string{"a.js": answers("x")})
	dir := filepath.Join(p.dir, "recordings")
	wav := tone(t, p)
	outside := filepath.Join(p.dir, "secret.wav")
	for path, to := range map[string]string{outside: "", filepath.Join(dir, "01good.wav"): "", filepath.Join(dir, "link.wav"): outside, filepath.Join(dir, "deep.wav"): "../secret.wav", filepath.Join(dir, "linkdir"): p.dir} {
		var err error
		if to == "" {
			err = os.WriteFile(path, wav, 0o640)
		} else {
			err = os.Symlink(to, path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.wav"), 0o644); err != nil {
		t.Fatal(err)
	}
	h := p.Handler(api.Token{Name: "t", Token: "t"})
	get := func(target string) int {
		req := httptest.NewRequest("GET", "/", nil)
		req.URL.Path, req.URL.RawPath, req.URL.RawQuery = "", "", ""
		u, err := url.Parse(target)
		if err != nil {
			return 400
		}
		req.URL, req.RequestURI = u, target
		req.Header.Set("Authorization", "Bearer t")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code == 200 && !strings.Contains(target, "01good") {
			t.Errorf("%.80q: %d bytes of %s", target, w.Body.Len(), w.Header().Get("Content-Type"))
		}
		return w.Code
	}
	link := func(id string) string { // as if somebody had got one signed
		until := strconv.FormatInt(p.clk.Now().Add(time.Hour).Unix(), 10)
		return "/v1/recordings/" + url.PathEscape(id) + "?" + url.Values{"until": {until}, "sig": {p.record.sign(id, until)}}.Encode()
	}
	if a, b := get("/v1/calls/01good/recording"), get(link("01good")); a != 200 || b != 200 {
		t.Fatal(a, b) // else the rest proves nothing
	}
	ids := append(escapes(outside), "link", "deep", "linkdir/secret", "01good/../../secret", "pipe", ".", "-", "-rf", strings.Repeat("a", maxRecordingID+1), "..secret", "01GOOD", "secret")
	for _, id := range ids {
		for _, asked := range []string{id, strings.TrimSuffix(id, ".wav")} {
			if asked == "" {
				continue
			}
			if f, err := p.record.Open(asked); err == nil { // of a link too
				f.Close()
				t.Errorf("open %.80q", asked)
			}
			if path, err := p.record.path(asked); err == nil {
				t.Errorf("play %.80q: %s", asked, path)
			}
			for _, target := range []string{"/v1/calls/" + url.PathEscape(asked) + "/recording", "/v1/calls/" + asked + "/recording", link(asked)} {
				if code := get(target); code < 300 || code >= 500 {
					t.Errorf("%.80q: status %d", target, code)
				}
			}
			if plainID.MatchString(asked) {
				continue // a call could have it
			}
			if f, err := p.record.Create(asked, ""); err == nil {
				f.Close()
				t.Errorf("create %.80q", asked)
			}
		}
	}
	if body, err := os.ReadFile(outside); err != nil || !bytes.Equal(body, wav) {
		t.Errorf("the file outside: %d bytes, %v", len(body), err)
	}
}
