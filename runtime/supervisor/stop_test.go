package supervisor

import "syscall"

const stopSignal = syscall.SIGSTOP
