package script

import (
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// voiceOptions are those of everything that speaks.
var voiceOptions = []string{"bargeIn", "language", "voice", "volume", "signal"}

func readVoice(o *bind.Options) *bind.Options {
	return o.Bool("bargeIn").String("language", "voice").Number("volume", 0, 4)
}

// speak is say, play and prompt; they differ in what a bare string means.
func speak(name string) verb {
	bare := asSay
	if name == "play" {
		bare = asPlay
	}
	return func(l *leg, args []goja.Value) goja.Value {
		o := l.read(name, bind.Arg(args, 1), append(voiceOptions, "loop", "from")...)
		readVoice(o).Bool("loop").Duration("from", 0, maxCall)
		o.Wire["prompt"] = prompt(l.vm, "call."+name, bind.Arg(args, 0), bare)
		return l.send(name, o)
	}
}

// seek is a time from the beginning of the prompt, or "+10s", "-10s" from where
// it is.
func seek(l *leg, args []goja.Value) goja.Value {
	o := l.read("seek", nil)
	v, sign := bind.Arg(args, 0), time.Duration(1)
	if text, ok := bind.Go(v).(string); ok && text != "" && strings.ContainsRune("+-", rune(text[0])) {
		if text[0] == '-' {
			sign = -1
		}
		v, o.Wire["relative"] = l.vm.Runtime().ToValue(text[1:]), true
	}
	d, err := bind.ParseDuration(v)
	if err != nil || d > maxCall {
		l.vm.Throw(fault.Invalid, "call.seek: this is no position", `write "30s", "+10s" or "-10s"`)
	}
	o.Wire["toMs"] = (sign * d).Milliseconds()
	return l.send("seek", o)
}
