package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/fault"
)

// showLadder prints the SIP messages of a call as a ladder between us and each
// peer, with -v also their texts; or saves them as a capture.
func (m *Main) showLadder(ctx context.Context, id, capture string) error {
	c, err := m.client("")
	if err != nil {
		return err
	}
	path := "/v1/calls/" + url.PathEscape(id) + "/sip"
	if capture != "" {
		return m.saveCapture(ctx, c, path+".pcap", capture)
	}
	var l engine.Ladder
	if err := c.get(path, &l); err != nil {
		return err
	}
	return m.answer(l, func() { m.printLadder(l) })
}

func (m *Main) saveCapture(ctx context.Context, c *client, path, file string) error {
	res, err := c.do(ctx, "GET", path, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if file == "-" {
		_, err = io.Copy(m.Stdout, res.Body)
		return err
	}
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return fault.New(fault.Network, "calls show: the running loopstart broke off: %w", err)
	}
	if err := os.WriteFile(file, raw, 0o600); err != nil { // numbers of people are in it
		return fault.New(fault.Denied, "calls show: %w", err)
	}
	return m.answer(map[string]any{"file": file, "bytes": len(raw)}, func() { m.progress("saved %s, %d bytes; open it with Wireshark or tshark -r %s", file, len(raw), file) })
}

// rung is the width of an arrow.
const rung = 46

// printLadder draws time, leg and an arrow for each message: ours is on the
// left, the peer on the right, and a peer is named when it changes.
func (m *Main) printLadder(l engine.Ladder) {
	fmt.Fprintf(m.Stdout, "%s\n", m.bold("SIP messages of "+l.Call))
	var began time.Time
	peers := map[string]netip.AddrPort{}
	for i, s := range l.Messages {
		if i == 0 {
			began = s.At
		}
		line := ladderLine(s)
		shaft := strings.Repeat("─", max(rung-len([]rune(line)), 2))
		us, peer, text := s.From, s.To, "── "+line+" "+shaft+"▶"
		if s.Direction == "in" {
			us, peer, text = s.To, s.From, "◀"+shaft+" "+line+" ──"
		}
		if peers[s.Leg] != peer {
			peers[s.Leg] = peer
			fmt.Fprintf(m.Stdout, "  %s\n", m.paintOut("2", fmt.Sprintf("leg %s: us %s  ·  %s peer %s", s.Leg, us, s.Transport, peer)))
		}
		fmt.Fprintf(m.Stdout, "  %8.3f  %-2s %s\n", s.At.Sub(began).Seconds(), s.Leg, text)
		if m.global.verbose {
			m.printMessage(s.Text)
		}
	}
	if l.Dropped > 0 {
		fmt.Fprintf(m.Stdout, "  %d later messages were not kept: a call keeps a limited amount\n", l.Dropped)
	}
}

// ladderLine is the first line without the version, and for an answer what it
// answers.
func ladderLine(s engine.SIPMessage) string {
	line := strings.TrimSuffix(strings.TrimPrefix(s.Line, "SIP/2.0 "), " SIP/2.0")
	if !strings.HasPrefix(s.Line, "SIP/2.0 ") {
		return clean(line)
	}
	for field := range strings.SplitSeq(s.Text, "\r\n") {
		if name, value, _ := strings.Cut(field, ":"); strings.EqualFold(strings.TrimSpace(name), "cseq") {
			if f := strings.Fields(value); len(f) == 2 {
				return clean(line + " (" + f[1] + ")")
			}
		}
	}
	return clean(line)
}

func (m *Main) printMessage(text string) {
	for line := range strings.SplitSeq(strings.TrimRight(text, "\r\n"), "\n") {
		fmt.Fprintf(m.Stdout, "               %s\n", m.paintOut("2", clean(strings.TrimRight(line, "\r"))))
	}
	fmt.Fprintln(m.Stdout)
}
