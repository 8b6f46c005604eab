package engine

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
	"github.com/loopstart/loopstart/media/sound"
	"github.com/loopstart/loopstart/scripts"
)

// Limits of sounds that are played from URLs.
const (
	maxRemoteSounds = 256              // kept
	remoteAudio     = time.Hour        // of all that are kept, 115 MB
	remoteFresh     = time.Minute      // without asking again, when the server does not say
	remoteFreshest  = 24 * time.Hour   // whatever the server says
	remotePatience  = 10 * time.Second // of a prompt that waits for its sound
	remoteRetry     = 10 * time.Second // an old copy serves so long after the server has failed
	secondsOfMaxAge = 10               // digits that are read of max-age
)

// remoteSounds are prompts from URLs. One fetch serves all who wait for it; a copy is
// used until the server's max-age is over, then asked after (ETag,
// Last-Modified, RFC 9111), and used on when the server cannot be reached: a
// caller hears the old one rather than nothing.
type remoteSounds struct {
	mu   sync.Mutex
	kept map[string]*remoteSound // by version of a script and URL: they differ in what they may reach

	fetched, reused, stale atomic.Int64
}

// remoteSound is one URL. Its lock is held while it is fetched.
type remoteSound struct {
	turn   chan struct{} // holds one token: the right to look and to fetch
	prompt *sound.Prompt
	etag   string
	since  string // Last-Modified
	fresh  time.Time
	lasts  time.Duration // how long it is fresh after an answer
	length atomic.Int64  // of prompt, ns
	used   time.Time     // under remoteSounds.mu
}

// find is the place of a URL, made if there is none.
func (s *remoteSounds) find(key string, now time.Time) *remoteSound {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.kept[key]
	if r == nil {
		if s.kept == nil {
			s.kept = map[string]*remoteSound{}
		}
		if len(s.kept) >= maxRemoteSounds {
			s.dropLocked()
		}
		r = &remoteSound{turn: make(chan struct{}, 1)}
		r.turn <- struct{}{}
		s.kept[key] = r
	}
	r.used = now
	return r
}

// dropLocked forgets the one that was used longest ago.
func (s *remoteSounds) dropLocked() {
	oldest := ""
	for key, r := range s.kept {
		if oldest == "" || r.used.Before(s.kept[oldest].used) {
			oldest = key
		}
	}
	delete(s.kept, oldest)
}

// trim forgets sounds until what is kept is short enough.
func (s *remoteSounds) trim() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.kept) > 1 {
		total := time.Duration(0)
		for _, r := range s.kept {
			total += time.Duration(r.length.Load())
		}
		if total <= remoteAudio {
			return
		}
		s.dropLocked()
	}
}

// url is the sound at a URL, within what the script may reach.
func (p *prompts) url(ctx context.Context, r call.PromptRequest, url string) (*sound.Prompt, error) {
	ctx, cancel := context.WithTimeout(ctx, remotePatience)
	defer cancel()
	v, err := p.scripts.Get(r.Script, r.Version)
	if err != nil {
		return nil, err
	}
	e := (*Engine)(p)
	x := e.sounds.find(v.Script+" "+v.ID+" "+url, e.clk.Now())
	select {
	case <-x.turn:
	case <-ctx.Done():
		return nil, fault.New(fault.Network, "prompt %s: no answer within %s", url, remotePatience)
	}
	defer func() { x.turn <- struct{}{} }()
	now := e.clk.Now()
	if x.prompt != nil && now.Before(x.fresh) {
		e.sounds.reused.Add(1)
		return x.prompt, nil
	}
	err = p.fetch(ctx, v, url, x)
	if err != nil && x.prompt != nil && fault.CodeOf(err) != fault.Denied {
		e.log.Warn("a sound is played from an old copy", "script", r.Script, "err", err)
		e.sounds.stale.Add(1)
		x.fresh = now.Add(remoteRetry)
		return x.prompt, nil
	}
	return x.prompt, err
}

// fetch asks for a sound, or whether the one that is there still holds.
func (p *prompts) fetch(ctx context.Context, v *scripts.Version, url string, x *remoteSound) error {
	e := (*Engine)(p)
	q := netx.Request{Method: http.MethodGet, URL: url, Header: http.Header{}}
	if x.prompt != nil && x.etag != "" {
		q.Header.Set("If-None-Match", x.etag)
	} else if x.prompt != nil && x.since != "" {
		q.Header.Set("If-Modified-Since", x.since)
	}
	e.sounds.fetched.Add(1)
	res, err := p.fetchers.of(p.settings.of(v).Permissions.HTTP).Do(ctx, q)
	if err != nil {
		return err
	}
	switch {
	case res.Status == http.StatusNotModified && x.prompt != nil:
	case res.Status != http.StatusOK:
		return fault.New(fault.Media, "prompt %s: the server answered %d", url, res.Status)
	default:
		prompt, err := p.library.LoadReader(ctx, bytes.NewReader(res.Body), audioKind(res, url), sound.LoadOptions{})
		if err != nil {
			return err
		}
		x.prompt, x.etag, x.since = prompt, res.Header.Get("ETag"), res.Header.Get("Last-Modified")
		x.length.Store(int64(prompt.Duration()))
		e.sounds.trim()
	}
	if res.Status == http.StatusOK || res.Header.Get("Cache-Control") != "" {
		x.lasts = freshness(res.Header)
	}
	x.fresh = e.clk.Now().Add(x.lasts)
	return nil
}

// audioKind is the format that the server or the name tells; the bytes go
// before both.
func audioKind(res *netx.Response, url string) string {
	if strings.Contains(res.Header.Get("Content-Type"), "mpeg") || strings.HasSuffix(strings.ToLower(url), ".mp3") {
		return "mp3"
	}
	return "wav"
}

// freshness is how long a copy may be used without asking (RFC 9111 §5.2.2).
func freshness(h http.Header) time.Duration {
	for _, directive := range strings.Split(strings.ToLower(h.Get("Cache-Control")), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch name {
		case "no-store", "no-cache":
			return 0
		case "max-age":
			value = strings.Trim(value, `"`)
			if n, err := strconv.Atoi(value); err == nil && len(value) <= secondsOfMaxAge {
				return max(0, min(time.Duration(n)*time.Second, remoteFreshest))
			}
		}
	}
	return remoteFresh
}

func (s *remoteSounds) figures() []figure {
	return []figure{
		{"sounds_fetched_total", "Requests for sounds at URLs.", true, float64(s.fetched.Load())},
		{"sounds_reused_total", "Sounds at URLs that were at hand.", true, float64(s.reused.Load())},
		{"sounds_stale_total", "Old copies that were played because the server did not answer.", true, float64(s.stale.Load())},
	}
}
