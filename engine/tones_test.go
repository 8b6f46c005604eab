package engine

import (
	"strconv"
	"testing"
)

func TestTonesAreSharedAndBounded(t *testing.T) {
	var c tones
	a, err := c.get("tone:440/100ms")
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := c.get("tone:440/100ms"); a != b {
		t.Fatal("rendered twice")
	}
	if _, err := c.get("tone:loud"); err == nil {
		t.Fatal("no error")
	}
	for i := range 2 * maxTones {
		if _, err := c.get("tone:" + strconv.Itoa(300+i) + "/20ms"); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.bySpec); n > maxTones {
		t.Fatalf("%d kept", n)
	}
}
