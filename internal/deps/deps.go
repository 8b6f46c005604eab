// Package deps pins the module set while packages are being written.
package deps

import (
	_ "github.com/dgraph-io/badger/v4"
	_ "github.com/dlclark/regexp2/v2"
	_ "github.com/dop251/goja"
	_ "github.com/emiago/sipgo"
	_ "github.com/evanw/esbuild/pkg/api"
	_ "github.com/fsnotify/fsnotify"
	_ "github.com/go-sourcemap/sourcemap"
	_ "github.com/goccy/go-yaml"
	_ "github.com/hajimehoshi/go-mp3"
	_ "github.com/icholy/digest"
	_ "github.com/nyaruka/phonenumbers"
	_ "github.com/pion/rtcp"
	_ "github.com/pion/rtp"
	_ "github.com/pion/sdp/v3"
	_ "github.com/prometheus/client_golang/prometheus"
	_ "github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "golang.org/x/net/dns/dnsmessage"
	_ "golang.org/x/sys/unix"
	_ "golang.org/x/term"
	_ "golang.org/x/text/language"
)
