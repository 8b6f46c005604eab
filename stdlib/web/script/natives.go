package script

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"strings"
	"unicode/utf8"

	"github.com/dop251/goja"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// Limits of natives.
const (
	MaxRandom    = 65536 // bytes of one getRandomValues, as the standard says
	MaxJSONDepth = 500
)

// natives are what the JavaScript sources are given.
var natives = map[string]bind.Member{
	"call":       bind.Async(nativeCall),
	"invalid":    bind.Sync(nativeInvalid),
	"encode":     bind.Sync(nativeEncode),
	"decode":     bind.Sync(nativeDecode),
	"base64":     bind.Sync(nativeBase64),
	"bytes":      bind.Sync(nativeBytes),
	"shallow":    bind.Sync(nativeShallow),
	"parseURL":   bind.Sync(nativeParseURL),
	"setURL":     bind.Sync(nativeSetURL),
	"parseForm":  bind.Sync(nativeParseForm),
	"formatForm": bind.Sync(nativeFormatForm),
	"random":     bind.Sync(nativeRandom),
	"uuid":       bind.Sync(nativeUUID),
	"digest":     bind.Sync(nativeDigest),
	"hmac":       bind.Sync(nativeHMAC),
	"equal":      bind.Sync(nativeEqual),
	"locale":     bind.Sync(nativeLocale),
	"zone":       bind.Sync(nativeZone),
	"number":     bind.Sync(nativeNumber),
	"date":       bind.Sync(nativeDate),
}

// nativeCall is a request to the host with its signal: (method, args, signal).
func nativeCall(vm *runtime.VM, args []goja.Value) goja.Value {
	o := bind.Arg(args, 1).ToObject(vm.Runtime())
	wire := map[string]any{}
	for _, key := range o.Keys() {
		if v := o.Get(key); !goja.IsUndefined(v) {
			wire[key] = v
		}
	}
	return bind.Cancelable(vm, bind.Arg(args, 2), bind.Arg(args, 0).String(), wire)
}

// nativeInvalid throws INVALID: (message, hint).
func nativeInvalid(vm *runtime.VM, args []goja.Value) goja.Value {
	vm.Throw(fault.Invalid, bind.Arg(args, 0).String(), bind.Arg(args, 1).String())
	return nil
}

// nativeEncode is a string as UTF-8; lone surrogates become U+FFFD.
func nativeEncode(vm *runtime.VM, args []goja.Value) goja.Value {
	return vm.Bytes([]byte(strings.ToValidUTF8(bind.Arg(args, 0).String(), "\uFFFD")))
}

// charsets are the encodings besides UTF-8 that TextDecoder knows.
var charsets = map[string]*charmap.Charmap{
	"windows-1251": charmap.Windows1251, "cp1251": charmap.Windows1251, "windows-1252": charmap.Windows1252, "latin1": charmap.Windows1252,
	"iso-8859-1": charmap.Windows1252, "ascii": charmap.Windows1252, "koi8-r": charmap.KOI8R, "koi8-u": charmap.KOI8U,
	"ibm866": charmap.CodePage866, "cp866": charmap.CodePage866, "iso-8859-5": charmap.ISO8859_5, "windows-1254": charmap.Windows1254,
}

// nativeDecode is bytes as a string: (bytes, label, fatal). It gives undefined
// for a label that is not known and null for damaged text when fatal.
func nativeDecode(vm *runtime.VM, args []goja.Value) goja.Value {
	data, _ := bind.Bytes(bind.Arg(args, 0))
	label, fatal := strings.ToLower(strings.TrimSpace(bind.Arg(args, 1).String())), bind.Arg(args, 2).ToBoolean()
	rt := vm.Runtime()
	switch label {
	case "utf-8", "utf8", "unicode-1-1-utf-8":
		if fatal && !utf8.Valid(data) {
			return goja.Null()
		}
		return rt.ToValue(strings.ToValidUTF8(string(data), "\uFFFD"))
	case "utf-16", "utf-16le", "utf-16be":
		order := unicode.LittleEndian
		if label == "utf-16be" {
			order = unicode.BigEndian
		}
		text, err := unicode.UTF16(order, unicode.IgnoreBOM).NewDecoder().Bytes(data)
		if err != nil || fatal && len(data)%2 != 0 {
			return goja.Null()
		}
		return rt.ToValue(string(text))
	}
	set, ok := charsets[label]
	if !ok {
		return goja.Undefined()
	}
	text, err := set.NewDecoder().Bytes(data)
	if err != nil {
		return goja.Null()
	}
	return rt.ToValue(string(text))
}

// nativeBase64 is bytes as Base64.
func nativeBase64(vm *runtime.VM, args []goja.Value) goja.Value {
	data, _ := bind.Bytes(bind.Arg(args, 0))
	return vm.Runtime().ToValue(base64.StdEncoding.EncodeToString(data))
}

// nativeBytes is the bytes of a Base64 text, of a buffer or of a view, copied;
// undefined for anything else.
func nativeBytes(vm *runtime.VM, args []goja.Value) goja.Value {
	v := bind.Arg(args, 0)
	if s, ok := v.(goja.String); ok {
		data, err := base64.StdEncoding.DecodeString(s.String())
		if err != nil {
			vm.Throw(fault.Internal, "the host's answer is no Base64", "")
		}
		return vm.Bytes(data)
	}
	data, ok := bind.Bytes(v)
	if !ok {
		return goja.Undefined()
	}
	return vm.Bytes(append([]byte(nil), data...))
}

// nativeShallow tells whether JSON nests no deeper than a parser can follow.
func nativeShallow(vm *runtime.VM, args []goja.Value) goja.Value {
	depth, quoted := 0, false
	text := bind.Arg(args, 0).String()
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > MaxJSONDepth {
				return vm.Runtime().ToValue(false)
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return vm.Runtime().ToValue(true)
}

// atob reads forgiving Base64 (WHATWG Infra) as a string of bytes.
func atob(vm *runtime.VM, args []goja.Value) goja.Value {
	text := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\n\f\r", r) {
			return -1
		}
		return r
	}, bind.Arg(args, 0).String())
	if len(text)%4 == 0 {
		text = strings.TrimSuffix(strings.TrimSuffix(text, "="), "=")
	}
	data, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		throwDOM(vm, "atob: the text is no Base64", "InvalidCharacterError")
	}
	runes := make([]rune, len(data))
	for i, b := range data {
		runes[i] = rune(b)
	}
	return vm.Runtime().ToValue(string(runes))
}

// btoa writes a string of bytes as Base64.
func btoa(vm *runtime.VM, args []goja.Value) goja.Value {
	var data []byte
	for _, r := range bind.Arg(args, 0).String() {
		if r > 255 {
			throwDOM(vm, "btoa: the text has a character above U+00FF; encode it with TextEncoder first", "InvalidCharacterError")
		}
		data = append(data, byte(r))
	}
	return vm.Runtime().ToValue(base64.StdEncoding.EncodeToString(data))
}

func throwDOM(vm *runtime.VM, text, name string) {
	e, err := vm.Runtime().New(load(vm, "abort").Get("DOMException"), vm.Runtime().ToValue(text), vm.Runtime().ToValue(name))
	if err != nil {
		panic(err)
	}
	panic(goja.Value(e))
}

// nativeRandom fills a view with random bytes.
func nativeRandom(vm *runtime.VM, args []goja.Value) goja.Value {
	data, ok := bind.Bytes(bind.Arg(args, 0))
	if !ok || len(data) > MaxRandom {
		vm.Throw(fault.Invalid, fmt.Sprintf("crypto.getRandomValues takes a typed array of at most %d bytes", MaxRandom), "")
	}
	vm.Entropy(data)
	return bind.Arg(args, 0)
}

// nativeUUID is a random UUID (RFC 9562 §5.4).
func nativeUUID(vm *runtime.VM, _ []goja.Value) goja.Value {
	var b [16]byte
	vm.Entropy(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return vm.Runtime().ToValue(fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]))
}

var digests = map[string]func() hash.Hash{
	"SHA-1": sha1.New, "SHA-256": sha256.New, "SHA-384": sha512.New384, "SHA-512": sha512.New,
}

// nativeDigest is (algorithm, bytes); undefined for one that is not known.
func nativeDigest(vm *runtime.VM, args []goja.Value) goja.Value {
	make, ok := digests[strings.ToUpper(bind.Arg(args, 0).String())]
	if !ok {
		return goja.Undefined()
	}
	data, _ := bind.Bytes(bind.Arg(args, 1))
	h := make()
	h.Write(data)
	return vm.Bytes(h.Sum(nil))
}

// nativeHMAC is (algorithm, key, bytes).
func nativeHMAC(vm *runtime.VM, args []goja.Value) goja.Value {
	make, ok := digests[strings.ToUpper(bind.Arg(args, 0).String())]
	if !ok {
		return goja.Undefined()
	}
	key, _ := bind.Bytes(bind.Arg(args, 1))
	data, _ := bind.Bytes(bind.Arg(args, 2))
	h := hmac.New(make, key)
	h.Write(data)
	return vm.Bytes(h.Sum(nil))
}

// nativeEqual compares bytes in a time that does not depend on them.
func nativeEqual(vm *runtime.VM, args []goja.Value) goja.Value {
	a, _ := bind.Bytes(bind.Arg(args, 0))
	b, _ := bind.Bytes(bind.Arg(args, 1))
	return vm.Runtime().ToValue(hmac.Equal(a, b))
}
