// Package veil hides secrets in texts that people read: logs, timelines, steps.
//
// # Concurrency
//
// Words may be used from any goroutine; they never change.
package veil

import (
	"net/url"
	"slices"
	"strings"
)

// Mark stands for what is hidden.
const Mark = "•••"

// Lengths from which on a secret is looked for: shorter ones stand everywhere
// by chance.
const (
	MinText   = 4
	MinDigits = 6 // of a secret that is all digits
)

// Words are the secrets of a configuration. The zero value hides nothing.
type Words struct{ replacer *strings.Replacer }

// New prepares secrets; very short ones are left out.
func New(secrets []string) *Words {
	list := slices.DeleteFunc(slices.Clone(secrets), tooShort)
	slices.SortFunc(list, func(a, b string) int { return len(b) - len(a) }) // one may begin like another
	var pairs []string
	for _, s := range list {
		pairs = append(pairs, s, cover(s))
	}
	return &Words{strings.NewReplacer(pairs...)}
}

func tooShort(s string) bool {
	digits := strings.Trim(s, "0123456789") == ""
	return len(s) < MinText || digits && len(s) < MinDigits
}

// cover is what a secret looks like. An address of another system is kept in
// secret for its path, which often holds a token; whom it belongs to may be
// seen.
func cover(secret string) string {
	u, err := url.Parse(secret)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		return Mark
	}
	head := u.Scheme + "://" + u.Host
	if strings.Trim(secret[min(len(head), len(secret)):], "/") == "" {
		return secret
	}
	return head + "/" + Mark
}

// Hide is text without the secrets.
func (w *Words) Hide(text string) string {
	if w == nil || w.replacer == nil {
		return text
	}
	return w.replacer.Replace(text)
}
