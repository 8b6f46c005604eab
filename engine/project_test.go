package engine

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestProjectPasswordsDiffer(t *testing.T) {
	env := func(seed byte) string {
		files, err := NewProject(ProjectOptions{Template: "hello", Random: bytes.NewReader(bytes.Repeat([]byte{seed}, 9))})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if f.Path == ".env" {
				if !f.Secret {
					t.Error(".env is readable by everybody")
				}
				return string(f.Data)
			}
		}
		t.Fatal("no .env")
		return ""
	}
	if a, b := env(1), env(2); a == b || !strings.Contains(a, "AGENT_101=010101010101010101") {
		t.Errorf("passwords are not random: %q and %q", a, b)
	}
}

// TestTemplateNeeds: every line that a template frees is there.
func TestTemplateNeeds(t *testing.T) {
	for template, sections := range needs {
		text := templateConfig(template)
		for _, section := range sections {
			for _, line := range section {
				if !strings.Contains("\n"+text, "\n"+strings.TrimPrefix(line, "# ")) {
					t.Errorf("%s: config.Template has no line that begins with %q", template, line)
				}
			}
		}
	}
}

func TestWriteTypes(t *testing.T) {
	dir := t.TempDir()
	if err := WriteTypes(dir); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, TypesFile)
	if err := os.WriteFile(file, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := WriteTypes(dir); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != Types() {
		t.Errorf("the types were not brought up to date: %v", err)
	}
}
