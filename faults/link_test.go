package faults

import (
	"net"
	"sync"
	"syscall"
	"time"
)

// link carries TCP to an address at so many bytes a second, with little on its way: what it has not passed on stays with the
// sender. (A proxy that takes whatever comes, and is slow at the other side, hides a slow client behind its own buffers.)
type link struct {
	r        *trial
	listener net.Listener
	upstream string
	running  sync.WaitGroup

	mu   sync.Mutex
	rate int // bytes a second; 0: all that comes
	open []net.Conn
}

func newLink(r *trial, upstream string) *link {
	r.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.Fatal(err)
	}
	k := &link{r: r, listener: l, upstream: upstream}
	k.running.Go(k.accept)
	r.Cleanup(k.close)
	return k
}

func (k *link) socket() string { return "ws://" + k.listener.Addr().String() + "/v1/ws" }

// narrow sets how many bytes a second are carried to clients.
func (k *link) narrow(rate int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.rate = rate
}

func (k *link) close() {
	_ = k.listener.Close()
	k.mu.Lock()
	for _, conn := range k.open {
		_ = conn.Close()
	}
	k.mu.Unlock()
	k.running.Wait()
}

func (k *link) accept() {
	for {
		near, err := k.listener.Accept()
		if err != nil {
			return
		}
		const buffer = 8 << 10
		far, err := dialRaw(k.upstream, buffer)
		if err != nil {
			_ = near.Close()
			continue
		}
		if raw, err := near.(*net.TCPConn).SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, buffer) })
		}
		k.mu.Lock()
		k.open = append(k.open, near, far)
		k.mu.Unlock()
		k.running.Go(func() { k.carry(far, near, func() int { return 0 }) })
		k.running.Go(func() {
			k.carry(near, far, func() int {
				k.mu.Lock()
				defer k.mu.Unlock()
				return k.rate
			})
		})
	}
}

// carry copies until either side ends.
func (k *link) carry(to, from net.Conn, rate func() int) {
	defer func() { _ = to.Close(); _ = from.Close() }()
	const beat = 50 * time.Millisecond
	buffer := make([]byte, 16<<10)
	for {
		some, pause := buffer, time.Duration(0)
		if n := rate(); n > 0 {
			some, pause = buffer[:max(1, n*int(beat)/int(time.Second))], beat
		}
		n, err := from.Read(some)
		if n > 0 {
			if _, err := to.Write(some[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
		time.Sleep(pause)
	}
}
