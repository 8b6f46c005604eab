package script

import (
	"github.com/dop251/goja"

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
		o := l.read(name, bind.Arg(args, 1), append(voiceOptions, "loop")...)
		readVoice(o).Bool("loop")
		o.Wire["prompt"] = prompt(l.vm, "call."+name, bind.Arg(args, 0), bare)
		return l.send(name, o)
	}
}
