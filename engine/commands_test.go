package engine

import (
	"strings"
	"testing"

	"github.com/loopstart/loopstart/internal/fault"
)

func TestReadCommand(t *testing.T) {
	for body, want := range map[string]command{
		`{"do":"play","src":"a.wav"}`:              {saying: saying{Source: "a.wav"}},
		`{"do":"play","source":"a.wav"}`:           {saying: saying{Source: "a.wav"}},
		`{"do":"transfer","uri":"sip:a@b"}`:        {Target: "sip:a@b"},
		`{"do":"connect","to":"101"}`:              {Target: "101"},
		`{"do":"connect","target":"1","to":"101"}`: {Target: "1"},
		`{"do":"connect","to":"1","timeout":5000}`: {Target: "1", Timeout: "5000"},
		`{"do":"say","parts":["a"],"volume":0.5}`:  {saying: saying{Prompt: []byte(`["a"]`), Volume: 0.5}},
	} {
		c, err := readCommand([]byte(body))
		if err != nil || c.Source != want.Source || c.Target != want.Target || c.Timeout != want.Timeout || string(c.Prompt) != string(want.Prompt) || c.Volume != want.Volume {
			t.Errorf("%s: %+v %v", body, c, err)
		}
	}
	for _, body := range []string{`{"do":"hold","on":false}`, `{"do":1}`, `[]`, `{"do":"play","src":"a.wav","volume":5}`, `{"do":"play","src":"a.wav","volume":-1}`} {
		if _, err := readCommand([]byte(body)); fault.CodeOf(err) != fault.Invalid || strings.Contains(err.Error(), "Go ") {
			t.Errorf("%s: %v", body, err)
		}
	}
	if _, err := (&command{saying: saying{Do: "connect"}, Timeout: "soon"}).connect(nil, nil); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("a timeout that is none: %v", err)
	}
}
