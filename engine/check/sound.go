package check

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/loopstart/loopstart/engine/sounds"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/suggest"
	"github.com/loopstart/loopstart/media/sound"
)

// prompt looks for a sound as a call would (sounds.Find) and tries to decode
// it. It returns nil if all is well or the source is no file.
func (c *checking) prompt(ctx context.Context, folder, language, source string) *Finding {
	if source == "" || strings.Contains(source, "://") {
		return nil
	}
	if sounds.IsTone(source) {
		if _, err := sound.Tone(source); err != nil {
			return &Finding{Level: LevelError, Area: areaScript, Code: fault.CodeOf(err), Message: err.Error(), Hint: fault.HintOf(err)}
		}
		return nil
	}
	if file, ok := sounds.Find(folder, language, source); ok {
		if _, err := c.library.Load(ctx, file, sound.LoadOptions{}); err != nil {
			return broken(source, file, err)
		}
		return nil
	}
	if _, ok := sounds.Builtin(language, source); ok {
		return nil
	}
	return c.missing(folder, language, source)
}

// broken is the finding for a file that is there and is no sound.
func broken(source, file string, err error) *Finding {
	text := strings.TrimPrefix(strings.ReplaceAll(err.Error(), file, source), "media: ")
	return &Finding{Level: LevelError, Area: areaScript, Code: fault.CodeOf(err), Message: "prompt file " + text, Hint: fault.HintOf(err)}
}

// missing is the finding for a sound that is not there, or only in another
// language.
func (c *checking) missing(folder, language, source string) *Finding {
	where, err := filepath.Rel(c.project, folder)
	if err != nil || strings.HasPrefix(where, "..") {
		where = folder
	}
	f := &Finding{Level: LevelError, Area: areaScript, Code: fault.NotFound, Message: "prompt file " + source + " not found",
		Hint: "it is looked for in " + filepath.ToSlash(where) + "/, and in prompts/" + language + "/ and prompts/" + sounds.Base(language) + "/ there"}
	if other, _ := filepath.Glob(filepath.Join(folder, "prompts", "*", filepath.FromSlash(source))); len(other) > 0 {
		f.Level, f.Message = LevelWarning, "prompt file "+source+" is there in another language only, not in "+language
		return f
	}
	if near := suggest.Nearest(source, soundNames(folder, language)); near != "" {
		f.Hint = "did you mean " + near + "? " + f.Hint
	}
	return f
}

// maxSounds bounds the names that a misspelt one is compared with.
const maxSounds = 500

func soundNames(folder, language string) []string {
	var out []string
	for _, dir := range sounds.Folders(language) {
		items, err := os.ReadDir(filepath.Join(folder, dir))
		if err != nil {
			continue // it need not be there
		}
		for _, item := range items {
			if !item.IsDir() && len(out) < maxSounds {
				out = append(out, item.Name())
			}
		}
	}
	return out
}
