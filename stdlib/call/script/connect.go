package script

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// MaxTargets is how many targets one connect may ring.
const MaxTargets = 50

// connect dials and bridges; the script goes on when the talk is over.
func connect(l *leg, args []goja.Value) goja.Value {
	o := l.read("connect", bind.Arg(args, 1), "timeout", "strategy", "from", "trunk", "hide", "music", "whisper", "accept", "maxDuration",
		"record", "headers", "hangupOn", "keys", "onRing", "onAnswer", "signal")
	o.Wire["strategy"] = "parallel"
	o.Choice("strategy", "parallel", "serial").Duration("timeout", minRing, maxRing).Duration("maxDuration", time.Second, maxCall)
	caller(o).Line("trunk").Bool("hide", "record").Headers("headers").Callback("onRing", "onAnswer")
	readMusic(o)
	optionalPrompt(o, "whisper", asSay)
	readAccept(o)
	readKeys(o)
	o.Wire["targets"] = targets(l.vm, bind.Arg(args, 0))
	return l.send("connect", o)
}

// callerForm is what may stand before the @ of a From header: a number or name.
var callerForm = regexp.MustCompile(`^[0-9A-Za-z+*#._-]{1,64}$`)

// caller reads the option from; a number may come as people write it.
func caller(o *bind.Options) *bind.Options {
	v, ok := o.Get("from")
	if !ok {
		return o
	}
	s := textOf(v)
	if strings.Trim(s, "+0123456789 ()-") == "" {
		s = strings.NewReplacer(" ", "", "(", "", ")", "", "-", "").Replace(s)
	}
	if !callerForm.MatchString(s) {
		o.Bad("from", v, `a caller number such as "+74951234567"`, "")
	}
	o.Wire["from"] = s
	return o
}

// readMusic: a prompt is played while it rings, false passes the callee's own
// ringback, true and nothing mean the host's default.
func readMusic(o *bind.Options) {
	v, ok := o.Get("music")
	if !ok {
		return
	}
	if on, isBool := bind.Go(v).(bool); isBool {
		if !on {
			o.Wire["music"] = false
		}
		return
	}
	optionalPrompt(o, "music", asPlay)
}

func readAccept(o *bind.Options) {
	v, ok := o.Get("accept")
	if !ok {
		return
	}
	r := bind.Read(o.VM, o.Verb+": accept", v, "key", "prompt")
	key := r.Value("key").String()
	if len(key) != 1 || !strings.Contains(allKeys, key) {
		r.Bad("key", r.Value("key"), "one key", "")
	}
	optionalPrompt(r, "prompt", asSay)
	r.Wire["key"] = key
	o.Wire["accept"] = r.Wire
}

// readKeys reads what the parties may press while they talk.
func readKeys(o *bind.Options) {
	if v, ok := o.Get("hangupOn"); ok {
		o.Wire["hangupOn"] = sequence(o, "hangupOn", v.String())
	}
	v, ok := o.Get("keys")
	if !ok {
		return
	}
	object, isObject := v.(*goja.Object)
	if !isObject || len(object.Keys()) > MaxChoices {
		o.Bad("keys", v, `an object such as {"*2": () => …}`, "")
	}
	keys := map[string]any{}
	for _, key := range object.Keys() {
		fn := object.Get(key)
		if _, callable := goja.AssertFunction(fn); !callable {
			o.Bad("keys."+key, fn, "a function", "")
		}
		keys[sequence(o, "keys", key)] = fn
	}
	o.Wire["keys"] = keys
}

func sequence(o *bind.Options, name, keys string) string {
	if keys == "" || len(keys) > 8 || strings.Trim(keys, allKeys) != "" {
		o.Bad(name, o.VM.Runtime().ToValue(keys), `keys such as "*0"`, "")
	}
	return keys
}

// targets reads one target or a list.
func targets(vm *runtime.VM, v goja.Value) []any {
	list, ok := v.(*goja.Object)
	if !ok || list.ClassName() != "Array" {
		return []any{target(vm, "call.connect", v)}
	}
	n := list.Get("length").ToInteger()
	if n == 0 || n > MaxTargets {
		vm.Throw(fault.Invalid, fmt.Sprintf("call.connect: %d targets; 1 to %d are possible", n, MaxTargets), "")
	}
	out := make([]any, n)
	for i := range n {
		out[i] = target(vm, fmt.Sprintf("call.connect: target %d", i+1), list.Get(strconv.FormatInt(i, 10)))
	}
	return out
}

func target(vm *runtime.VM, where string, v goja.Value) map[string]any {
	o, ok := v.(*goja.Object)
	if !ok {
		return map[string]any{"to": targetText(vm, where, v)}
	}
	r := bind.Read(vm, where, o, "to", "delay", "timeout", "from", "trunk", "hide", "headers")
	r.Duration("delay", 0, maxRing).Duration("timeout", minRing, maxRing).Line("trunk").Bool("hide").Headers("headers")
	caller(r)
	r.Wire["to"] = targetText(vm, where, r.Value("to"))
	return r.Wire
}

// targetText is a group, a user, a number or a sip: URI.
func targetText(vm *runtime.VM, where string, v goja.Value) string {
	_, isObject := v.(*goja.Object)
	if isObject || bind.Missing(v) {
		vm.Throw(fault.Invalid, where+": the target is "+bind.Describe(v)+", a text is wanted", `a group, a user, a number such as "+79161234567" or a sip: URI`)
	}
	s := strings.TrimSpace(v.String())
	if s == "" || len(s) > 500 || bind.HasControl(v.String()) {
		vm.Throw(fault.Invalid, where+": the target "+bind.Describe(v)+" cannot be dialled", "")
	}
	return s
}
