package api

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io/fs"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/internal/fault"
)

func TestRollouts(t *testing.T) {
	cases := []struct {
		method, target, body string
		status               int
		done                 string
	}{
		{"POST", "rollback", `{"version":"4be1"}`, 200, "order rollback {4be1 0 0}"},
		{"POST", "rollback", "", 200, "order rollback { 0 0}"},
		{"POST", "rollback?version=4be1", "", 200, "order rollback {4be1 0 0}"},
		{"POST", "canary", `{"percent":10}`, 200, "order canary { 10 0}"},
		{"POST", "canary", `{"calls":20,"version":"9c01"}`, 200, "order canary {9c01 0 20}"},
		{"POST", "canary?percent=5", "", 200, "order canary { 5 0}"},
		{"DELETE", "canary", "", 200, "order drop { 0 0}"},
		{"POST", "promote", "", 200, "order promote { 0 0}"},
		{"POST", "unpin", "", 200, "order unpin { 0 0}"},
		{"POST", "canary", `{"percent":"ten"}`, 422, ""},
		{"POST", "canary", `{"percent":1.5}`, 422, ""},
		{"POST", "canary", `{"part":10}`, 422, ""},
		{"POST", "rollback", `{"percent":10}`, 422, ""},
		{"POST", "promote", `{"version":"9c01"}`, 422, ""},
		{"POST", "rollback", `[1]`, 422, ""},
	}
	for _, c := range cases {
		h := newHouse()
		w := h.ask(t, c.method, "/v1/scripts/order/"+c.target, c.body, "Content-Type", "application/json")
		if got := strings.Join(h.deployed, ","); w.Code != c.status || got != c.done {
			t.Errorf("%s %s %s: %d %q %s", c.method, c.target, c.body, w.Code, got, w.Body)
		}
	}
	h := newHouse()
	h.fail = fault.New(fault.Conflict, "no canary")
	want(t, h.ask(t, "POST", "/v1/scripts/order/promote", ""), 409, fault.Conflict)
}

// TestDeploymentOfOtherScripts: a token for one script leaves the others alone.
func TestDeploymentOfOtherScripts(t *testing.T) {
	for _, r := range routes {
		if !strings.Contains(r.pattern, "/v1/scripts/{script}") {
			continue
		}
		h := newHouse()
		method, target := sample(r)
		w := h.as(t, "order", method, strings.Replace(target, "order", "sales", 1), bodyFor(r))
		want(t, w, http.StatusForbidden, fault.Denied)
		if len(h.deployed) > 0 {
			t.Errorf("%s: %q", r.pattern, h.deployed)
		}
	}
}

// packed is a zip archive; a name with "→" is a link.
func packed(t *testing.T, files ...string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		name, text, _ := strings.Cut(f, "=")
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		if name, _, ok := strings.Cut(name, "→"); ok {
			h.Name = name
			h.SetMode(fs.ModeSymlink | 0o777)
		}
		w, err := z.CreateHeader(h)
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

// form is a multipart body of name=file name=text.
func form(t *testing.T, parts ...string) (body, kind string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		f := strings.SplitN(p, "=", 3)
		part, err := w.CreateFormFile(f[0], f[1])
		if err != nil {
			t.Fatal(err)
		}
		_, _ = part.Write([]byte(f[2]))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), w.FormDataContentType()
}

func TestUploadKinds(t *testing.T) {
	multi, kind := form(t, "file=main.ts=m", "file=prompts/ru/a.wav=RIFF", "words.ts=x.ts=w", "file=../../x.ts=s")
	cases := []struct {
		kind, body, done string
	}{
		{"text/typescript", "a", "order upload order.ts:a"},
		{"application/javascript; charset=utf-8", "a", "order upload order.js:a"},
		{"text/javascript", "a", "order upload order.js:a"},
		{"", "a", "order upload order.ts:a"},
		{"application/octet-stream", "a", "order upload order.ts:a"},
		{"application/x-www-form-urlencoded", "a", "order upload order.ts:a"}, // curl's own
		{kind, multi, "order upload main.ts:m prompts/ru/a.wav:RIFF words.ts:w ../../x.ts:s"},
		{"application/zip", packed(t, "x/", "main.ts=m", "b/c.ts=c", "__MACOSX/main.ts=x", ".DS_Store=x", "../evil=x"), "order upload main.ts:m b/c.ts:c ../evil:x"},
		{"", packed(t, "main.ts=m"), "order upload main.ts:m"},
	}
	for _, c := range cases {
		h := newHouse()
		w := h.ask(t, "PUT", "/v1/scripts/order", c.body, "Content-Type", c.kind)
		if got := strings.Join(h.deployed, ","); w.Code != 200 || got != c.done {
			t.Errorf("%s: %d %q %s", c.kind, w.Code, got, w.Body)
		}
	}
}

func TestUploadsThatAreRefused(t *testing.T) {
	var many []string
	for i := range maxUploadFiles + 1 {
		many = append(many, fmt.Sprintf("file=f%d=", i))
	}
	manyParts, kind := form(t, many...)
	manyZip := packed(t, slices.Collect(func(yield func(string) bool) {
		for i := range maxUploadFiles + 1 {
			if !yield(fmt.Sprintf("f%d=", i)) {
				return
			}
		}
	})...)
	bomb := packed(t, "main.ts="+strings.Repeat("x", maxUpload+1))
	if len(bomb) > maxUpload/10 {
		t.Fatal("no bomb")
	}
	torn := packed(t, "main.ts=m")
	cases := []struct {
		name, kind, body string
		status           int
	}{
		{"empty", "text/typescript", "", 422},
		{"JSON", "application/json", "{}", 422},
		{"no such type", "x y z", "a", 422},
		{"too many parts", kind, manyParts, 422},
		{"too many in the archive", "application/zip", manyZip, 422},
		{"a directory of entries", "application/zip", "PK\x03\x04" + strings.Repeat("PK\x01\x02", 4*maxUploadFiles+1), 422},
		{"an archive that unpacks to more", "application/zip", bomb, 422},
		{"two halves that are too much together", "application/zip", packed(t, "a="+strings.Repeat("x", maxUpload/2), "b="+strings.Repeat("x", maxUpload/2+1)), 422},
		{"a link", "application/zip", packed(t, "main.ts→=/etc/passwd"), 422},
		{"half an archive", "application/zip", torn[:len(torn)/2], 422},
		{"an archive that is none", "application/zip", "hello", 422},
		{"a form without boundary", "multipart/form-data", "x", 422},
		{"half a form", kind, manyParts[:len(manyParts)/100], 422},
		{"too long", "text/typescript", strings.Repeat("x", maxUpload+1), 413},
	}
	for _, c := range cases {
		h := newHouse()
		w := h.ask(t, "PUT", "/v1/scripts/order", c.body, "Content-Type", c.kind)
		if w.Code != c.status || len(h.deployed) > 0 {
			t.Errorf("%s: %d %q %s", c.name, w.Code, h.deployed, w.Body)
		}
	}
	// What does not build is told with its place.
	h := newHouse()
	h.fail = fault.New(fault.Invalid, "Unexpected").At("order.ts:1:8", "frame")
	if p := want(t, h.ask(t, "PUT", "/v1/scripts/order", "x"), 422, fault.Invalid); p.Error.Place != "order.ts:1:8" || p.Error.Frame != "frame" {
		t.Errorf("%+v", p)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add("text/typescript", "x")
	f.Add("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.ts\"\r\n\r\n1\r\n--x--")
	f.Add("application/zip", "PK\x03\x04")
	f.Fuzz(func(t *testing.T, kind, body string) {
		files, err := unpack("a", kind, []byte(body), 1<<20)
		if err != nil && faultOf(err).Code != fault.Invalid {
			t.Fatal(err)
		}
		if len(files) > maxUploadFiles {
			t.Fatal(len(files))
		}
	})
}
