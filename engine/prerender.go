package engine

import (
	"context"
	"regexp"
	"strconv"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/scripts"
)

// Constant texts of a script are spoken ahead, so that the first caller does
// not wait for the engine. They are found in the bundle, where the bundler has
// made every string a plain literal.
var (
	constantText = regexp.MustCompile(`(?:\.say\(|\b(?:prompt|invalidPrompt|timeoutPrompt|whisper|music|say):)\s*("(?:[^"\\\n]|\\.)*")\s*[,;)}\n]`)
	constantList = regexp.MustCompile(`(?:\.prompt\(|\b(?:prompt|invalidPrompt|timeoutPrompt|whisper):)\s*\[\s*("(?:[^"\\\n]|\\.)*")\s*\]`)
)

// maxConstants bounds what one version has spoken ahead.
const maxConstants = 100

// constants lists the constant texts of a bundle.
func constants(source string) []string {
	var out []string
	seen := map[string]bool{}
	for _, re := range []*regexp.Regexp{constantText, constantList} {
		for _, m := range re.FindAllStringSubmatch(source, maxConstants) {
			text, err := strconv.Unquote(m[1])
			if err != nil || text == "" || seen[text] || len(out) >= maxConstants {
				continue
			}
			seen[text] = true
			out = append(out, text)
		}
	}
	return out
}

// speakAhead renders a version's constant texts into the cache, one after
// another, beside everything else.
func (e *Engine) speakAhead(v *scripts.Version) {
	texts := constants(v.Source)
	if len(texts) == 0 || len(e.chain) == 0 {
		return
	}
	st := e.settings.of(v)
	e.wg.Add(1)
	go func() {
		defer e.wg.Done()
		for _, text := range texts {
			ctx, cancel := context.WithTimeout(e.ctx, prerenderLimit)
			r := call.PromptRequest{Parts: []call.Part{{Text: text}}, Language: first(st.Language, e.Config().Project.Language), Voice: st.Voice, Script: v.Script, Version: v.ID}
			_, err := (*prompts)(e).Load(ctx, r)
			cancel()
			if e.ctx.Err() != nil {
				return
			}
			if err != nil {
				e.log.Warn("a constant prompt cannot be spoken: "+err.Error(), "script", v.Script)
				return
			}
		}
	}()
}
