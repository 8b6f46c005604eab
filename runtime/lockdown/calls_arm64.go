package lockdown

import "golang.org/x/sys/unix"

var archCalls []uintptr

var archFileCalls = []uintptr{unix.SYS_FSTATAT}
