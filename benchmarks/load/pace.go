package load

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// pace is the sessions that are read a little at a time. It belongs to the loop's thread.
type pace struct {
	slow []int
	last time.Time
}

// sipEvery is how often sessions that read slowly do.
const sipEvery = 50 * time.Millisecond

// hold takes a session out of what epoll watches.
func (l *Loop) hold(i int) {
	s := &l.sessions[i]
	if s.still {
		return
	}
	s.still = true
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, s.fd, nil); err != nil {
		l.end(i, err.Error())
		return
	}
	if s.group.BytesPerSecond > 0 {
		l.slow = append(l.slow, i)
	}
}

// sip reads what slow sessions may have by now.
func (l *Loop) sip(now time.Time) {
	passed := now.Sub(l.last)
	if passed < sipEvery || len(l.slow) == 0 {
		return
	}
	l.last = now
	passed = min(passed, time.Second) // a pause is no credit
	for _, i := range l.slow {
		s := &l.sessions[i]
		if s.state != stateLive {
			continue
		}
		n := int(int64(s.group.BytesPerSecond) * int64(passed) / int64(time.Second))
		l.read(i, l.buf[:min(max(n, 1), len(l.buf))])
	}
}

// Stall stops reading from the sessions of a group, as a client does that hangs.
func (l *Loop) Stall(group string) error {
	return l.each(group, func(i int) { l.hold(i) })
}

// Resume reads from them again, and from those that read slowly as fast as anything comes.
func (l *Loop) Resume(group string) error {
	return l.each(group, func(i int) {
		s := &l.sessions[i]
		if !s.still {
			return
		}
		s.still = false
		l.slow = slices.DeleteFunc(l.slow, func(slow int) bool { return slow == i })
		if err := l.watch(unix.EPOLL_CTL_ADD, i, unix.EPOLLIN); err != nil {
			l.end(i, err.Error())
		}
	})
}

// each does f with all live sessions of a group.
func (l *Loop) each(name string, f func(i int)) error {
	found := false
	err := l.do(func() {
		for _, g := range l.groups {
			if g.Name != name {
				continue
			}
			found = true
			for i := g.first; i < g.first+g.Sessions; i++ {
				if l.sessions[i].state == stateLive {
					f(i)
				}
			}
		}
	})
	if err == nil && !found {
		err = fmt.Errorf("no group %q", name)
	}
	return err
}
