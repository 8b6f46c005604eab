package lockdown

import "golang.org/x/sys/unix"

var archCalls = []uintptr{unix.SYS_ARCH_PRCTL, unix.SYS_EPOLL_WAIT}

var archFileCalls = []uintptr{unix.SYS_NEWFSTATAT, unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_READLINK, unix.SYS_ACCESS}
