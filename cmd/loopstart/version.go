package main

import (
	"context"
	"fmt"
	"runtime"
)

var versionVerb = verb{
	name: "version", summary: "print the version",
	run: func(_ context.Context, m *Main, args []string) error {
		if _, err := parse(flags("version"), args, 0); err != nil {
			return err
		}
		v := map[string]string{"version": version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH}
		return m.answer(v, func() {
			fmt.Fprintf(m.Stdout, "loopstart %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		})
	},
}
