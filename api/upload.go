package api

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"path"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
)

// maxUploadFiles is how many files an upload may hold.
const maxUploadFiles = 500

// File is one file of an upload. Who stores it checks the path.
type File struct {
	Path string // with slashes, as it was sent
	Data []byte
}

// suffixes are the source files that a body alone can be. TypeScript is the
// superset, so it is also what a body of no particular kind becomes.
var suffixes = map[string]string{
	"text/typescript": ".ts", "text/x-typescript": ".ts", "application/typescript": ".ts", "application/x-typescript": ".ts", "video/mp2t": ".ts",
	"": ".ts", "text/plain": ".ts", "application/octet-stream": ".ts", "application/x-www-form-urlencoded": ".ts",
	"text/javascript": ".js", "application/javascript": ".js", "application/x-javascript": ".js", "text/ecmascript": ".js",
}

// unpack makes the files of a body: one source file, a form with files, or a
// zip archive, by what its first bytes are. most bounds them unpacked.
func unpack(script, contentType string, raw []byte, most int64) ([]File, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil && contentType != "" {
		return nil, fault.New(fault.Invalid, "Content-Type: %w", err)
	}
	switch {
	case len(raw) == 0:
		return nil, fault.New(fault.Invalid, "the body is empty").WithHint("send a source file, a form with files, or a zip archive")
	case strings.HasPrefix(kind, "multipart/"):
		return formFiles(raw, params["boundary"])
	case bytes.HasPrefix(raw, []byte("PK\x03\x04")) || strings.Contains(kind, "zip"):
		return zipFiles(raw, most)
	}
	suffix, ok := suffixes[kind]
	if !ok {
		return nil, fault.New(fault.Invalid, "a body of the type %s is no script", kind).
			WithHint("text/typescript, text/javascript, multipart/form-data or application/zip")
	}
	return []File{{script + suffix, raw}}, nil
}

func tooMany() error {
	return fault.New(fault.Invalid, "the upload has more than %d files", maxUploadFiles).WithHint("packages belong in node_modules of the project")
}

// formFiles reads a form. The field "file" gives the file its own name; any
// other field's name is the path.
func formFiles(raw []byte, boundary string) (out []File, err error) {
	form := multipart.NewReader(bytes.NewReader(raw), boundary)
	for {
		p, err := form.NextRawPart()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fault.New(fault.Invalid, "form: %w", err)
		}
		if len(out) == maxUploadFiles {
			return nil, tooMany()
		}
		data, err := io.ReadAll(p)
		if err != nil {
			return nil, fault.New(fault.Invalid, "form: %w", err)
		}
		out = append(out, File{partPath(p), data})
	}
}

// partPath is the path of a part. multipart.Part.FileName would cut it down to
// its last name.
func partPath(p *multipart.Part) string {
	_, params, err := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
	if name := p.FormName(); err != nil || name != "file" && name != "" {
		return name
	}
	return params["filename"]
}

// zipFiles unpacks an archive in memory.
func zipFiles(raw []byte, most int64) (out []File, err error) {
	// Each entry costs the reader a few hundred bytes before it can be counted.
	if bytes.Count(raw, []byte("PK\x01\x02")) > 4*maxUploadFiles {
		return nil, tooMany()
	}
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return nil, fault.New(fault.Invalid, "zip: %w", err)
	}
	for _, f := range z.File {
		if f.Mode().IsDir() || strings.HasPrefix(f.Name, "__MACOSX/") || path.Base(f.Name) == ".DS_Store" {
			continue
		}
		if !f.Mode().IsRegular() {
			return nil, fault.New(fault.Invalid, "zip: %.80q is no plain file", f.Name).WithHint("links are not taken")
		}
		if len(out) == maxUploadFiles {
			return nil, tooMany()
		}
		data, err := inflate(f, most)
		if err != nil {
			return nil, err
		}
		most -= int64(len(data))
		out = append(out, File{f.Name, data})
	}
	return out, nil
}

// inflate reads one entry, whatever size it claims to have.
func inflate(f *zip.File, most int64) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, fault.New(fault.Invalid, "zip: %.80q: %w", f.Name, err)
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, fault.New(fault.Invalid, "zip: %.80q: %w", f.Name, err)
	}
	if int64(len(data)) > most {
		return nil, fault.New(fault.Invalid, "zip: the files are too long unpacked").WithHint("see limits.script_upload")
	}
	return data, nil
}
