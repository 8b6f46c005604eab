package bench

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// floor sends the packets of n playing calls as cheaply as this machine can:
// one thread, one socket, sendmmsg in slots of 2 ms, nothing else. It returns
// the processor time per call and second. The receiving end is a socket that
// is never read: on loopback the sender pays for the delivery either way.
func floor(n int, d time.Duration) (time.Duration, error) {
	from, err := openSocket(0)
	if err != nil {
		return 0, err
	}
	defer from.close()
	to, err := openSocket(0)
	if err != nil {
		return 0, err
	}
	defer to.close()
	result := make(chan time.Duration)
	go func() {
		runtime.LockOSThread()
		packet := make([]byte, 172)
		before := threadTime()
		next, began := now(), now()
		for tick := 0; since(began) < d; tick++ {
			ts := unix.NsecToTimespec(int64(max(until(next), 0)))
			_ = unix.Nanosleep(&ts, nil)
			next = next.Add(frame / slots)
			k := 0
			for i := tick % slots; i < n; i += slots {
				from.put(k, to.addr.Port(), packet)
				if k++; k == batch {
					from.send(k)
					k = 0
				}
			}
			from.send(k)
		}
		result <- threadTime() - before
	}()
	go drain(to, d+time.Second)
	return time.Duration(float64(<-result) / float64(n) / d.Seconds()), nil
}

// drain reads what the floor sends, on another thread.
func drain(s *socket, d time.Duration) {
	for end := now().Add(d); now().Before(end); {
		s.receive(func(received) {})
	}
}

func threadTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
