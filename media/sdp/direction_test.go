package sdp

import "testing"

func TestDirections(t *testing.T) {
	for _, tc := range []struct {
		d       Direction
		name    string
		s, r    bool
		reverse Direction
	}{
		{SendRecv, "sendrecv", true, true, SendRecv},
		{SendOnly, "sendonly", true, false, RecvOnly},
		{RecvOnly, "recvonly", false, true, SendOnly},
		{Inactive, "inactive", false, false, Inactive},
	} {
		parsed, ok := parseDirection(tc.name)
		if tc.d.String() != tc.name || parsed != tc.d || !ok {
			t.Errorf("%s: name %s, parsed %s", tc.name, tc.d, parsed)
		}
		if tc.d.Sends() != tc.s || tc.d.Receives() != tc.r || tc.d.Reverse() != tc.reverse {
			t.Errorf("%s: %v %v %s", tc.name, tc.d.Sends(), tc.d.Receives(), tc.d.Reverse())
		}
		if tc.d.And(SendRecv) != tc.d || tc.d.And(Inactive) != Inactive {
			t.Errorf("%s: And", tc.name)
		}
	}
	if SendOnly.And(RecvOnly) != Inactive || Direction(9).String() != "invalid" {
		t.Error("edges")
	}
	if _, ok := parseDirection("SENDRECV"); ok {
		t.Error("attribute names are case sensitive; the caller lowers them")
	}
}
