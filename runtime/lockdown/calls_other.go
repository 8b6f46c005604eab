//go:build !amd64 && !arm64

package lockdown

var archCalls, archFileCalls []uintptr
