package engine

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/fault"
)

// Everything of an API caller that could come to stand in a SIP header is
// refused with its name when it holds a control character.
func TestNoHeaderIsForgedThroughTheAPI(t *testing.T) {
	for _, evil := range []string{"\r\nX-Evil: 1", "\n", "\r", "\x00", "\x01", "\x7f", "\t", "\x1b[31m"} {
		text, _ := json.Marshal("+74951234567" + evil)
		for _, name := range []string{"to", "from", "trunk", "script"} {
			if _, err := readOrder([]byte(`{"` + name + `": ` + string(text) + `}`)); fault.CodeOf(err) != fault.Invalid || !strings.HasPrefix(err.Error(), name+":") {
				t.Errorf("order, %s %q: %v", name, evil, err)
			}
		}
		for _, name := range []string{"to", "target", "uri", "from", "trunk"} {
			if _, err := readCommand([]byte(`{"do": "connect", "` + name + `": ` + string(text) + `}`)); fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), "control character") {
				t.Errorf("command, %s %q: %v", name, evil, err)
			}
		}
		d := dialer{&Engine{}}
		d.e.cfg.Store(&config.Config{})
		for _, r := range []call.DialRequest{{Target: "101" + evil}, {Target: "101", From: "1" + evil}, {Target: "101", Trunk: "t" + evil}} {
			if _, err := d.Resolve(r); fault.CodeOf(err) != fault.Invalid {
				t.Errorf("dial %+v: %v", r, err)
			}
		}
	}
	if _, err := readOrder([]byte(`{"to": "+74951234567", "from": "+7", "data": {"text": "two\nlines"}}`)); err != nil {
		t.Errorf("data may hold lines: %v", err)
	}
}
