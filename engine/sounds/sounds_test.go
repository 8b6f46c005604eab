package sounds

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFind(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	for name, link := range map[string]string{
		"out.wav": "", "script/a.wav": "", "script/prompts/ru-RU/b.wav": "", "script/prompts/ru/c.wav": "", "script/prompts/en/d.wav": "", "script/away.wav": "../out.wav",
	} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		err := os.MkdirAll(filepath.Dir(file), 0o700)
		switch {
		case err == nil && link != "":
			err = os.Symlink(link, file)
		case err == nil:
			err = os.WriteFile(file, nil, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"a.wav": "a.wav", "b.wav": "prompts/ru-RU/b.wav", "c.wav": "prompts/ru/c.wav", "prompts/en/d.wav": "prompts/en/d.wav",
		"d.wav": "", "away.wav": "", "../out.wav": "", "prompts": "", "": "",
	} {
		file, ok := Find(script, "ru-RU", name)
		if ok != (want != "") || ok && file != filepath.Join(script, filepath.FromSlash(want)) {
			t.Errorf("%s: %q %v", name, file, ok)
		}
	}
	if _, ok := Find(filepath.Join(dir, "nowhere"), "ru", "a.wav"); ok {
		t.Error("found in a folder that is not there")
	}
}

func TestBuiltin(t *testing.T) {
	ru, _ := Builtin("RU-ru", "apology.wav")
	en, ok := Builtin("fr", "apology.wav")
	if !ok || len(ru) == 0 || string(ru) == string(en) {
		t.Error("the apology is not there in Russian, or not in English for others")
	}
	var languages []string
	if err := Each("apology.wav", func(l string, _ []byte) error { languages = append(languages, l); return nil }); err != nil || len(languages) != 3 {
		t.Error(languages, err)
	}
}
