package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/loopstart/loopstart/internal/connector"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/sound"
)

// Recordings are written as WAV, which is playable whatever ends the process,
// and become what was asked for when they are over: in a child process, so that
// nothing but calls works here. Until then, and when that fails, they stay WAV.
const (
	conversions     = 1 // at once
	conversionTakes = 10 * time.Minute
	partial         = ".part" // of a conversion under way
)

// audioTypes are the formats of files by their extension, and whatever is told of
// a format comes from here.
var audioTypes = map[string]string{".wav": "audio/wav", ".ogg": "audio/ogg", ".mp3": "audio/mpeg"}

// mp3Encoders are programs that turn WAV on standard input into MP3 on standard
// output; the first that is installed is taken. At 16 kHz: not every player knows
// the MPEG 2.5 that 8 kHz would be.
var mp3Encoders = [][]string{
	{"lame", "--quiet", "--resample", "16", "-V", "5", "-", "-"},
	{"ffmpeg", "-loglevel", "error", "-f", "wav", "-i", "pipe:0", "-ar", "16000", "-q:a", "5", "-f", "mp3", "pipe:1"},
}

// encoder is the child that makes a format.
func (r *recordings) encoder(format string) (*exec.Cmd, error) {
	switch format {
	case "ogg":
		if r.child != nil {
			return r.child(), nil
		}
		return nil, nil //nolint:nilnil // no child: this process does it
	case "mp3":
		for _, line := range mp3Encoders {
			if path, err := exec.LookPath(line[0]); err == nil {
				cmd := exec.Command(path, line[1:]...)
				cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
				return cmd, nil
			}
		}
		return nil, fault.New(fault.Unavailable, "recordings in mp3 need lame or ffmpeg").WithHint("apt install lame, or record ogg")
	}
	return nil, fault.New(fault.Invalid, "recordings: no format %q", format).WithHint("wav, ogg or mp3")
}

// Format implements call.Recordings.
func (r *recordings) Format(format string) error {
	if format == "" || format == "wav" {
		return nil
	}
	_, err := r.encoder(format)
	return err
}

// convert makes a file of another format of a complete WAV, and takes its place.
func (r *recordings) convert(id, format string) (err error) {
	r.slots <- struct{}{}
	defer func() { <-r.slots }()
	in, err := r.root.Open(id + ".wav")
	if err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	defer in.Close()
	half := id + "." + format + partial
	out, err := r.root.OpenFile(half, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	err = r.encode(in, out, format)
	if err = errors.Join(err, out.Sync(), out.Close()); err == nil {
		err = r.root.Rename(half, id+"."+format)
	}
	if err != nil {
		_ = r.root.Remove(half)
		return fmt.Errorf("recording: %w", err)
	}
	return r.root.Remove(id + ".wav")
}

func (r *recordings) encode(in, out *os.File, format string) error {
	cmd, err := r.encoder(format)
	switch {
	case err != nil:
		return err
	case cmd == nil:
		return EncodeMain(in, out)
	}
	var says tail
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, &says
	if err := cmd.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), conversionTakes)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, says.text)
	}
	return nil
}

// tail keeps the beginning of what a child says of its failure.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	if room := 1024 - len(t.text); room > 0 {
		t.text = append(t.text, p[:min(room, len(p))]...)
	}
	return len(p), nil
}

// EncodeMain is the main function of a child process that makes Opus in Ogg of a
// recording, or WAV of Opus in Ogg again.
func EncodeMain(in io.Reader, out io.Writer) error {
	r := bufio.NewReader(in)
	if head, err := r.Peek(4); err == nil && string(head) == "OggS" {
		return sound.DecodeOgg(r, out)
	}
	return sound.EncodeOgg(r, out)
}

// read is a recording's file as it is, or as WAV where its format is not wanted.
func (r *recordings) read(id string, most int64, formats ...string) (connector.Recording, error) {
	file, err := r.Open(id)
	if err != nil {
		return connector.Recording{}, err
	}
	defer file.Close()
	got := connector.Recording{Name: filepath.Base(file.Name())}
	if ext := filepath.Ext(got.Name); len(formats) > 0 && !slices.Contains(formats, ext) {
		got.Name = id + ".wav"
		got.Data, err = r.wav(id, file, most)
	} else {
		got.Data, err = atMost(file, id, most)
	}
	got.Type = audioTypes[filepath.Ext(got.Name)]
	return got, err
}

// wav is what a recording in Ogg was before.
func (r *recordings) wav(id string, in *os.File, most int64) ([]byte, error) {
	r.slots <- struct{}{} // one at a time: the name below is its own
	defer func() { <-r.slots }()
	half := id + ".wav" + partial
	out, err := r.root.OpenFile(half, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "recording %s: %w", id, err)
	}
	defer func() { _ = r.root.Remove(half) }()
	defer out.Close()
	if err := r.encode(in, out, "ogg"); err != nil {
		return nil, fault.New(fault.Media, "recording %s: %w", id, err)
	}
	if _, err := sound.RepairWAV(filepath.Join(r.dir, half)); err != nil {
		return nil, fault.New(fault.Media, "recording %s: %w", id, err)
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return nil, fault.New(fault.Unavailable, "recording %s: %w", id, err)
	}
	return atMost(out, id, most)
}

func atMost(file io.Reader, id string, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	switch {
	case err != nil:
		return nil, fault.New(fault.Unavailable, "recording %s: %w", id, err)
	case int64(len(data)) > most:
		return nil, fault.New(fault.Invalid, "recording %s has more than %d bytes", id, most)
	}
	return data, nil
}

// stored is the name of a recording's file in whatever format it is.
func (r *recordings) stored(id string) (string, error) {
	wav, err := r.name(id)
	if err != nil {
		return "", err
	}
	for _, name := range []string{wav, id + ".ogg", id + ".mp3"} {
		if info, err := r.root.Stat(name); err == nil && info.Mode().IsRegular() {
			return name, nil
		}
	}
	return "", fault.New(fault.NotFound, "no recording %q", id)
}

// forget removes conversions that a killed process has left half done.
func (r *recordings) forget(entries []fs.DirEntry) {
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) == partial {
			_ = r.root.Remove(entry.Name())
		}
	}
}
