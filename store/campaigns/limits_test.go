package campaigns

import "testing"

// TestSharedNumberLimit: the latest contacts of a number are found by it.
func TestSharedNumberLimit(t *testing.T) {
	held := phones{"k": nil}
	for i := range uint64(maxShared + 3) {
		if _, err := (&Repo{}).phoneOp("k", i, true, held); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(held["k"]) / len(seqBytes(0)); got != maxShared || string(held["k"][:len(seqBytes(0))]) != string(seqBytes(3)) {
		t.Fatalf("%d contacts", got)
	}
}
