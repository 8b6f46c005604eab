package message

import (
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func TestBoard(t *testing.T) {
	host, f, err := NewBoard()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := unix.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(BoardVariable, strconv.Itoa(fd))
	worker, err := OpenBoard()
	if err != nil || worker == nil {
		t.Fatal(err)
	}
	if host.Suspect(5) != 0 {
		t.Fatal("nobody runs")
	}
	worker.Lane(0, 11)
	worker.Lane(1, 12)
	worker.Run(0, 100)
	worker.Run(1, 200)
	worker.Use(0, 5)
	worker.Use(1, 9)
	worker.Run(MaxLanes, 7) // no room: dropped
	if len(host.Lanes()) != 2 || host.Suspect(11) != 100 || host.Suspect(0) != 200 || host.Suspect(99) != 200 {
		t.Fatalf("%+v", host.Lanes())
	}
	worker.Run(1, 0)
	if host.Suspect(0) != 100 {
		t.Fatalf("%+v", host.Lanes())
	}
	if err := worker.Close(); err != nil {
		t.Fatal(err)
	}
	if err := host.Close(); err != nil {
		t.Fatal(err)
	}
	var none *Board
	none.Run(0, 1)
	none.Use(0, 1)
	none.Lane(0, 1)
	if none.Suspect(0) != 0 {
		t.Fatal("a board that is not there")
	}
}

func TestBoardOfTheEnvironment(t *testing.T) {
	t.Setenv(BoardVariable, "")
	if b, err := OpenBoard(); b != nil || err != nil {
		t.Fatal(b, err)
	}
	t.Setenv(BoardVariable, "x")
	if _, err := OpenBoard(); err == nil {
		t.Fatal("no number")
	}
}
