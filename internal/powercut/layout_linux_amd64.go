package powercut

import (
	"bytes"
	"iter"
	"math/rand/v2"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// lines are the lines of a file of /proc.
func lines(raw []byte) iter.Seq[string] { return strings.Lines(string(raw)) }

// read is the content of a file, without the holes after it.
func read(f *os.File) image {
	info, err := f.Stat()
	if err != nil {
		return image{}
	}
	im, at := image{size: info.Size()}, int64(0)
	for {
		from, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
		if err != nil {
			return im
		}
		if at, err = unix.Seek(int(f.Fd()), from, unix.SEEK_HOLE); err != nil {
			return im
		}
		grown := make([]byte, at)
		copy(grown, im.data)
		n, _ := f.ReadAt(grown[from:], from)
		im.data = grown[:from+int64(n)]
	}
}

// write lays out a file: what was synced, with some pages of what was not.
func write(path string, synced, live image, random *rand.Rand) error {
	data, size := bytes.Clone(synced.data), synced.size
	if random.IntN(2) == 0 {
		size = live.size
	}
	if n := min(size, int64(len(live.data))); int64(len(data)) < n {
		data = append(data, make([]byte, n-int64(len(data)))...)
	}
	for at := 0; at < len(data) && at < len(live.data); at += page {
		if random.IntN(2) == 0 {
			copy(data[at:min(at+page, len(data))], live.data[at:])
		}
	}
	data = data[:min(int64(len(data)), size)]
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return err
	}
	return os.Truncate(path, size)
}
