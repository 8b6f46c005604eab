// Package sounds finds the sounds that scripts name: in the script's folder, in
// the folder of a language there, or among those that are built in.
package sounds

import (
	"embed"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// builtin holds what must be speakable with no engine and no file: the apology
// and the prompts of the hello script.
//
//go:embed en kk ru
var builtin embed.FS

// Builtin is a built-in sound, a WAV file, in the language or in English.
func Builtin(language, name string) ([]byte, bool) {
	for _, l := range []string{Base(language), "en"} {
		if data, err := builtin.ReadFile(path.Join(l, name)); err == nil {
			return data, true
		}
	}
	return nil, false
}

// Each calls f with every language in which a built-in sound is there, until f
// fails.
func Each(name string, f func(language string, wav []byte) error) error {
	files, err := fs.Glob(builtin, path.Join("*", name))
	if err != nil {
		return err
	}
	for _, file := range files {
		data, err := builtin.ReadFile(file)
		if err != nil {
			return err
		}
		if err := f(path.Dir(file), data); err != nil {
			return err
		}
	}
	return nil
}

// Base is the language of a BCP 47 tag: ru of ru-RU.
func Base(tag string) string {
	lang, _, _ := strings.Cut(strings.ToLower(tag), "-")
	return lang
}

// IsTone tells a tone or a silence, which is made and not found.
func IsTone(source string) bool {
	return strings.HasPrefix(source, "tone:") || strings.HasPrefix(source, "silence:")
}

// Folders are where a script's sounds lie, relative to its folder, in the order
// in which they are looked through.
func Folders(language string) []string {
	return []string{"", filepath.Join("prompts", language), filepath.Join("prompts", Base(language))}
}

// Find is the file of a sound of the script in folder. Nothing outside of the
// folder is found, whatever the name: neither by .. nor through a link.
func Find(folder, language, name string) (file string, ok bool) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return "", false
	}
	defer root.Close()
	for _, dir := range Folders(language) {
		rel := filepath.Join(dir, filepath.FromSlash(name))
		if info, err := root.Stat(rel); err == nil && info.Mode().IsRegular() {
			return filepath.Join(folder, rel), true
		}
	}
	return "", false
}
