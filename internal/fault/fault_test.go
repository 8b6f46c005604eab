package fault

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestErrorKeepsCodeHintExitThroughWrapping(t *testing.T) {
	base := New(NotFound, "read %s: %w", "a.wav", io.EOF).WithHint("put it into %s", "prompts/").WithExit(ExitScript).At("a.js:1:2", "")
	err := fmt.Errorf("outer: %w", base)
	if CodeOf(err) != NotFound || HintOf(err) != "put it into prompts/" || ExitOf(err) != ExitScript {
		t.Fatalf("lost: %v %q %d", CodeOf(err), HintOf(err), ExitOf(err))
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal("cause lost")
	}
	if got, want := err.Error(), "outer: a.js:1:2: read a.wav: EOF"; got != want {
		t.Fatalf("%q, want %q", got, want)
	}
}

func TestPlainErrors(t *testing.T) {
	if CodeOf(nil) != "" || ExitOf(nil) != ExitOK {
		t.Fatal("nil is no error")
	}
	if CodeOf(io.EOF) != Internal || ExitOf(io.EOF) != ExitOther || HintOf(io.EOF) != "" {
		t.Fatal("a plain error is internal")
	}
	if HTTPStatus(Invalid) != 422 || HTTPStatus(Code("?")) != 500 {
		t.Fatal("status")
	}
}
