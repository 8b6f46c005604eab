package message

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Board is a page of memory that a worker shares with the host. It says which
// VM each lane is running, so that the host knows who is to blame when the
// process has died too suddenly to say so itself.
type Board struct{ slots *[MaxLanes]slot }

// MaxLanes is how many lanes a board has room for.
const MaxLanes = 16

// BoardVariable is the environment variable that tells a worker the number of
// its board's descriptor.
const BoardVariable = "LOOPSTART_BOARD"

type slot struct{ vm, goroutine, used atomic.Uint64 }

const boardBytes = int(unsafe.Sizeof([MaxLanes]slot{}))

// LaneState is what one lane of a board says.
type LaneState struct {
	VM        uint64 // 0 between slices
	Goroutine uint64 // the lane's number in a crash dump
	Used      uint64 // bytes that its VM has used of its budget
}

// NewBoard makes a board and the file to pass to the worker.
func NewBoard() (*Board, *os.File, error) {
	fd, err := unix.MemfdCreate("loopstart-board", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, nil, fmt.Errorf("message: board: %w", err)
	}
	f := os.NewFile(uintptr(fd), "board")
	if err = f.Truncate(int64(boardBytes)); err == nil {
		var b *Board
		if b, err = mapBoard(fd); err == nil {
			return b, f, nil
		}
	}
	return nil, nil, errors.Join(fmt.Errorf("message: board: %w", err), f.Close())
}

// OpenBoard maps the board that the environment names; nil without one.
func OpenBoard() (*Board, error) {
	name := os.Getenv(BoardVariable)
	if name == "" {
		return nil, nil
	}
	fd, err := strconv.Atoi(name)
	if err != nil {
		return nil, fmt.Errorf("message: board: %w", err)
	}
	b, err := mapBoard(fd)
	return b, errors.Join(err, unix.Close(fd))
}

func mapBoard(fd int) (*Board, error) {
	mem, err := unix.Mmap(fd, 0, boardBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("message: board: %w", err)
	}
	return &Board{(*[MaxLanes]slot)(unsafe.Pointer(&mem[0]))}, nil
}

// Close unmaps the board, which must not be used any more.
func (b *Board) Close() error {
	mem := unsafe.Slice((*byte)(unsafe.Pointer(b.slots)), boardBytes)
	b.slots = nil
	return unix.Munmap(mem)
}

// Lane notes the goroutine of a lane.
func (b *Board) Lane(lane int, goroutine uint64) {
	if b != nil && lane < MaxLanes {
		b.slots[lane].goroutine.Store(goroutine)
	}
}

// Run notes what VM a lane runs now, 0 for none.
func (b *Board) Run(lane int, vm uint64) {
	if b != nil && lane < MaxLanes {
		b.slots[lane].vm.Store(vm)
		b.slots[lane].used.Store(0)
	}
}

// Use notes how much of its budget the VM of a lane has used.
func (b *Board) Use(lane int, used int64) {
	if b != nil && lane < MaxLanes {
		b.slots[lane].used.Store(uint64(max(used, 0)))
	}
}

// Lanes are those that run a VM.
func (b *Board) Lanes() []LaneState {
	if b == nil {
		return nil
	}
	var busy []LaneState
	for i := range b.slots {
		s := &b.slots[i]
		if vm := s.vm.Load(); vm != 0 {
			busy = append(busy, LaneState{vm, s.goroutine.Load(), s.used.Load()})
		}
	}
	return busy
}

// Suspect is the VM that is most likely to blame for a death: the one whose
// goroutine crashed, else the one that has used most; 0 if none was running.
func (b *Board) Suspect(crashed uint64) uint64 {
	var worst LaneState
	for _, l := range b.Lanes() {
		if crashed != 0 && l.Goroutine == crashed {
			return l.VM
		}
		if worst.VM == 0 || l.Used > worst.Used {
			worst = l
		}
	}
	return worst.VM
}
