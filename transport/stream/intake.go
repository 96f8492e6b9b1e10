package stream

import "sync"

// maxWaiting bounds the bytes of messages that wait to be handled: those of one request, and some.
const maxWaiting = 128 << 10

// intake holds a client's messages until they are handled, in order. The zero value is not ready: see newIntake.
type intake struct {
	more chan struct{} // capacity 1: there is something new

	mu      sync.Mutex
	waiting [][]byte
	bytes   int
	number  uint64 // of the last request that was numbered
	closed  bool
}

func newIntake() intake { return intake{more: make(chan struct{}, 1)} }

// outcome is what came of putting messages in.
type outcome uint8

const (
	taken   outcome = iota // or taken before, under the same number
	full                   // those of before are still being handled
	early                  // a request before this one is missing
	tooLate                // the connection ends
)

// put takes the messages of one request, all or none. number counts a client's requests with messages from 1, so that one
// that is sent again is not handled again; 0: this one is not numbered.
func (i *intake) put(messages [][]byte, number uint64) outcome {
	sum := 0
	for _, m := range messages {
		sum += len(m)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case number != 0 && number <= i.number:
		return taken
	case i.closed:
		return tooLate
	case number > i.number+1:
		return early
	case i.bytes > 0 && i.bytes+sum > maxWaiting:
		return full
	}
	i.number = max(i.number, number)
	i.waiting = append(i.waiting, messages...)
	i.bytes += sum
	i.signal()
	return taken
}

// next waits for a message. It returns false when no more will come.
func (i *intake) next() (message []byte, ok bool) {
	for {
		i.mu.Lock()
		switch {
		case i.closed:
			i.mu.Unlock()
			return nil, false
		case len(i.waiting) > 0:
			message = i.waiting[0]
			if i.waiting = i.waiting[1:]; len(i.waiting) == 0 {
				i.waiting = nil
			}
			i.bytes -= len(message)
			i.mu.Unlock()
			return message, true
		}
		i.mu.Unlock()
		<-i.more
	}
}

// close has next return; what waits is dropped.
func (i *intake) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed, i.waiting = true, nil
	i.signal()
}

func (i *intake) signal() {
	select {
	case i.more <- struct{}{}:
	default:
	}
}
