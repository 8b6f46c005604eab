package main

import (
	"encoding/binary"
	"io"
	"os/exec"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// players are the programs that can make audio heard, the one that suits most
// desktops first: 8 kHz, mono, 16 bits from stdin.
var players = [][]string{
	{"paplay", "--raw", "--rate=8000", "--channels=1", "--format=s16le", "--latency-msec=80"},
	{"pw-cat", "--playback", "--raw", "--rate=8000", "--channels=1", "--format=s16", "-"},
	{"aplay", "-q", "-t", "raw", "-f", "S16_LE", "-r", "8000", "-c", "1", "-"},
}

// speaker makes a call heard, if the machine has audio; else it does nothing,
// and nobody is told: a phone without sound is one too.
//
// # Concurrency
//
// One goroutine writes to the player and waits for it. play never blocks.
type speaker struct {
	queue chan []byte
	done  chan struct{}
}

// Limits of the speaker: what waits for a slow player, and how long a player
// may take to end.
const (
	maxSpeakerQueue = 100 // frames of 20 ms; the ones after them are dropped
	playerPatience  = 2 * time.Second
)

// openSpeaker starts the first player that there is.
func openSpeaker() *speaker {
	s := &speaker{queue: make(chan []byte, maxSpeakerQueue), done: make(chan struct{})}
	go s.run()
	return s
}

// play queues samples.
func (s *speaker) play(pcm []int16) {
	frame := make([]byte, 0, 2*len(pcm))
	for _, sample := range pcm {
		frame = binary.LittleEndian.AppendUint16(frame, uint16(sample))
	}
	select {
	case s.queue <- frame:
	default:
	}
}

// close ends the player; play must not be called any more.
func (s *speaker) close() {
	close(s.queue)
	<-s.done
}

func (s *speaker) run() {
	defer close(s.done)
	for _, command := range players {
		if s.through(command) {
			break
		}
	}
	for range s.queue { // there is nothing that could play it
	}
}

// through plays by one program and reports whether that went on to the end of
// the call. A player without a sound server gives up at once.
func (s *speaker) through(command []string) bool {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return false
	}
	cmd := exec.Command(path, command[1:]...)
	in, err := cmd.StdinPipe()
	if err != nil || cmd.Start() != nil {
		return false
	}
	defer endPlayer(cmd, in)
	for frame := range s.queue {
		if _, err := in.Write(frame); err != nil {
			return false
		}
	}
	return true
}

// endPlayer lets a player finish what it has, for a while.
func endPlayer(cmd *exec.Cmd, in io.Closer) {
	_ = in.Close() // it may have ended
	late := clock.System().AfterFunc(playerPatience, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	_ = cmd.Wait() // whatever it says: nothing depends on it
}
