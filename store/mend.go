package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/pb"
	sst "github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
	"golang.org/x/sys/unix"
)

const (
	maxChecksum = 64 // bytes of a table's checksum message; it has two numbers
	minIndex    = 16 // bytes of a table's index
	discardSlot = 16 // bytes of an entry of the discard statistics
)

// errLocked means that another process has the folder.
var errLocked = errors.New("Cannot acquire directory lock")

// mend looks through a folder before Badger does, which meets an unexpected
// file with a panic or by ending the process. It removes what a kill has left
// without anything in it, and reports damage. It holds Badger's lock meanwhile.
func mend(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return errLocked
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	listed := manifestTables(dir)
	for _, e := range entries {
		if id, ok := sst.ParseFileID(e.Name()); ok && !listed[id] {
			continue // a kill came while it was written: Badger removes it
		}
		path := filepath.Join(dir, e.Name())
		info, err := e.Info()
		if err != nil {
			return err
		}
		if err := mendFile(path, info.Size()); err != nil {
			return fmt.Errorf("%s: %w", e.Name(), err)
		}
	}
	return nil
}

// manifestTables are the tables that the manifest lists. With a manifest that
// cannot be read there are none to check: Badger reports it.
func manifestTables(dir string) map[uint64]bool {
	f, err := os.Open(filepath.Join(dir, badger.ManifestFilename))
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	m, _, err := badger.ReplayManifestFile(f, 0, badger.DefaultOptions(dir))
	if err != nil {
		return nil
	}
	ids := make(map[uint64]bool, len(m.Tables))
	for id := range m.Tables {
		ids[id] = true
	}
	return ids
}

func mendFile(path string, size int64) error {
	switch ext := filepath.Ext(path); {
	case ext == ".mem" && size == 0, ext == ".vlog" && size == 0:
		// Made or being removed when the kill came: nothing was ever in it.
		return os.Remove(path)
	case ext == ".mem" && size < headerOfLog, ext == ".vlog" && size < headerOfLog:
		return errors.New("cut off in its header")
	case filepath.Base(path) == "DISCARD" && (size == 0 || size%discardSlot != 0):
		// Statistics only, and made anew.
		return os.Remove(path)
	case ext == ".sst":
		return checkTable(path, size)
	}
	return nil
}

// headerOfLog is the length of what begins a .mem or .vlog file.
const headerOfLog = 20

// checkTable verifies the index of a table, which Badger reads without asking
// whether it is there. From the end: the length of the checksum (four bytes),
// the checksum, the length of the index (four bytes), the index.
func checkTable(path string, size int64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	end := size
	back := func(n int64) ([]byte, error) {
		if n < 0 || n > end {
			return nil, io.ErrUnexpectedEOF
		}
		end -= n
		b := make([]byte, n)
		_, err := f.ReadAt(b, end)
		return b, err
	}
	sum, err := tableChecksum(back)
	if err != nil {
		return err
	}
	b, err := back(4)
	if err != nil {
		return err
	}
	n := int64(binary.BigEndian.Uint32(b))
	if n < minIndex {
		return errors.New("has no index")
	}
	index, err := back(n)
	if err != nil {
		return err
	}
	return y.VerifyChecksum(index, sum)
}

func tableChecksum(back func(int64) ([]byte, error)) (*pb.Checksum, error) {
	b, err := back(4)
	if err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(b))
	if n > maxChecksum {
		return nil, errors.New("has no checksum")
	}
	if b, err = back(n); err != nil {
		return nil, err
	}
	// A protobuf message: field 1 is the kind, field 2 the sum, both varints.
	var sum pb.Checksum
	for len(b) > 0 {
		tag := b[0]
		v, n := binary.Uvarint(b[1:])
		if n <= 0 || tag != 1<<3 && tag != 2<<3 {
			return nil, errors.New("has a damaged checksum")
		}
		if b = b[1+n:]; tag == 1<<3 {
			sum.Algo = pb.Checksum_Algorithm(v)
		} else {
			sum.Sum = v
		}
	}
	if sum.Algo != pb.Checksum_CRC32C && sum.Algo != pb.Checksum_XXHash64 {
		return nil, errors.New("has a checksum of no known kind")
	}
	return &sum, nil
}
