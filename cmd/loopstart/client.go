package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/fault"
)

// client talks to a running instance over its HTTP surface.
type client struct {
	running
	http *http.Client
	own  bool // the instance is of this process
}

// client finds the running instance of the project at dir.
func (m *Main) client(dir string) (*client, error) {
	cfg, err := m.load(dir, config.Options{Dev: true})
	if err != nil {
		return nil, err
	}
	r, ok := find(cfg)
	if !ok {
		return nil, fault.New(fault.Unavailable, "no loopstart is running for this project").WithHint("start `loopstart dev` or `loopstart run` here, or name the project with -C DIR")
	}
	return newClient(r), nil
}

func newClient(r running) *client { return &client{running: r, http: &http.Client{}} }

func (c *client) do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var in io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		in = bytes.NewReader(raw)
	}
	return c.request(ctx, method, path, "application/json", in)
}

// request sends one request; an answer that is no success is an error.
func (c *client) request(ctx context.Context, method, path, kind string, in io.Reader) (*http.Response, error) {
	res, err := c.send(ctx, method, path, kind, in)
	if err == nil && res.StatusCode/100 != 2 {
		defer res.Body.Close()
		return nil, readProblem(res)
	}
	return res, err
}

// send sends one request and takes any answer.
func (c *client) send(ctx context.Context, method, path, kind string, in io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.HTTP+path, in)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	req.Header.Set("Content-Type", kind)
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fault.New(fault.Network, "the running loopstart: %w", err)
	}
	return res, nil
}

// readProblem makes the error of an answer an error of ours.
func readProblem(res *http.Response) error {
	var p struct {
		Error struct {
			Code                        fault.Code
			Message, Hint, Place, Frame string
		}
	}
	if json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&p) != nil || p.Error.Message == "" {
		return fault.New(fault.Network, "the running loopstart answered %s", res.Status)
	}
	f := fault.New(p.Error.Code, "%s", p.Error.Message).At(p.Error.Place, p.Error.Frame)
	f.Hint = p.Error.Hint
	return f
}

func (c *client) exchange(method, path string, body, into any) error {
	res, err := c.do(context.Background(), method, path, body)
	if err != nil {
		return err
	}
	return readAnswer(res, into)
}

// upload puts a body of some kind.
func (c *client) upload(ctx context.Context, path, kind string, body []byte, into any) error {
	res, err := c.request(ctx, "PUT", path, kind, bytes.NewReader(body))
	if err != nil {
		return err
	}
	return readAnswer(res, into)
}

func readAnswer(res *http.Response, into any) error {
	defer res.Body.Close()
	if into == nil || res.StatusCode == http.StatusNoContent {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		return fault.New(fault.Network, "the running loopstart: %w", err)
	}
	return nil
}

func (c *client) get(path string, into any) error { return c.exchange("GET", path, nil, into) }

func (c *client) post(path string, body, into any) error {
	return c.exchange("POST", path, body, into)
}

func (c *client) delete(path string) error { return c.exchange("DELETE", path, nil, nil) }

// stream reads server-sent events until on returns false or ctx ends.
func (c *client) stream(ctx context.Context, path string, on func(event string, data []byte) bool) error {
	res, err := c.do(ctx, "GET", path, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	event := ""
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "event":
			event = value
		case "data":
			if !on(event, []byte(value)) {
				return nil
			}
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return lines.Err()
}
