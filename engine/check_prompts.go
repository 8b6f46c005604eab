package engine

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/suggest"
	"github.com/loopstart/loopstart/media/sound"
)

// prompt looks for a sound as a call would (prompts.file) and tries to decode
// it. It returns nil if all is well or the source is no file.
func (c *checking) prompt(ctx context.Context, folder, language, source string) *Finding {
	if source == "" || strings.Contains(source, "://") {
		return nil
	}
	if isTone(source) {
		if _, err := sound.Tone(source); err != nil {
			return &Finding{Level: LevelError, Area: areaScript, Code: fault.CodeOf(err), Message: err.Error(), Hint: fault.HintOf(err)}
		}
		return nil
	}
	for _, rel := range []string{source, path.Join("prompts", language, source), path.Join("prompts", base(language), source)} {
		if file, ok := inside(folder, rel); ok {
			if _, err := c.library.Load(ctx, file, sound.LoadOptions{}); err != nil {
				return broken(source, file, err)
			}
			return nil
		}
	}
	if _, ok := builtinPrompt(language, source); ok {
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
		Hint: "it is looked for in " + filepath.ToSlash(where) + "/, and in prompts/" + language + "/ and prompts/" + base(language) + "/ there"}
	if other, _ := filepath.Glob(filepath.Join(folder, "prompts", "*", filepath.FromSlash(source))); len(other) > 0 {
		f.Level, f.Message = LevelWarning, "prompt file "+source+" is there in another language only, not in "+language
		return f
	}
	if near := suggest.Nearest(source, sounds(folder, language)); near != "" {
		f.Hint = "did you mean " + near + "? " + f.Hint
	}
	return f
}

// maxSounds bounds the names that a misspelt one is compared with.
const maxSounds = 500

func sounds(folder, language string) []string {
	var out []string
	for _, dir := range []string{"", filepath.Join("prompts", language), filepath.Join("prompts", base(language))} {
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
