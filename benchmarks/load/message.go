package load

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/flate"

	"github.com/feedd/feedd/benchmarks/frame"
)

// message is one that is being put together out of pieces.
type message struct {
	open   bool // its start was seen, and not its end yet
	packed bool
	bytes  []byte
}

// piece takes a run of payload of one frame.
func (l *Loop) piece(i int, now int64, p frame.Piece) {
	s := &l.sessions[i]
	if p.Op >= frame.Close {
		l.control(i, p)
		return
	}
	begins := p.Start && p.Op != frame.Continuation
	if begins && s.state == stateLive {
		s.count++
		s.group.window.Frames++
		if p.Packed {
			s.group.window.Packed++
		}
	}
	if s.follow == nil && !s.granted && !s.whole.open {
		return
	}
	if begins && p.End && p.Fin && !p.Packed { // whole as it is
		l.message(i, now, p.Payload)
		return
	}
	if begins {
		s.whole = message{open: true, packed: p.Packed, bytes: s.whole.bytes[:0]}
	}
	if !s.whole.open {
		return // of a message that began before anybody read this session
	}
	s.whole.bytes = append(s.whole.bytes, p.Payload...)
	if !p.End || !p.Fin {
		return
	}
	s.whole.open = false
	whole := s.whole.bytes
	if s.whole.packed {
		var err error
		if whole, err = l.inflate.message(whole); err != nil {
			l.end(i, err.Error())
			return
		}
	}
	l.message(i, now, whole)
	if s.follow == nil && !s.granted {
		s.whole = message{}
	}
}

// message hands a whole message to those who read it.
func (l *Loop) message(i int, now int64, payload []byte) {
	s := &l.sessions[i]
	if s.granted {
		l.lookForGrant(i, now, payload)
	}
	if s.follow == nil {
		return
	}
	answer, err := s.follow.take(now, payload)
	if err != nil {
		l.end(i, err.Error())
		return
	}
	if len(answer) > 0 {
		l.write(i, frame.AppendClient(nil, s.group.opcode(), answer))
	}
	switch {
	case s.state == stateJoining:
		if s.follow.complete() {
			l.goLive(i)
		}
	case s.state == stateLive && s.cuts < beatAfter:
		l.settle(i)
	}
}

// control answers pings and notes why the server closes.
func (l *Loop) control(i int, p frame.Piece) {
	s := &l.sessions[i]
	if p.Start {
		l.controls++
	}
	body := p.Payload
	if !p.Start || !p.End {
		s.notice = append(s.notice, p.Payload...)
		body = s.notice
	}
	if !p.End {
		return
	}
	s.notice = nil
	switch p.Op {
	case frame.Ping:
		l.write(i, frame.AppendClient(nil, frame.Pong, body))
	case frame.Close:
		why := "closed without a code"
		if len(body) >= 2 {
			why = fmt.Sprintf("closed %d %s", binary.BigEndian.Uint16(body), body[2:])
		}
		l.end(i, why)
	}
}

// inflater unpacks messages, each of which stands for itself. All sessions of a loop share one.
type inflater struct {
	from bytes.Reader
	r    io.ReadCloser
	in   []byte
	out  []byte
}

// message unpacks one (RFC 7692, section 7.2.2); what it returns is good until the next call.
func (f *inflater) message(b []byte) ([]byte, error) {
	// The end of a flush, which is left out on the wire, and an empty last block, which ends the stream.
	f.in = append(append(f.in[:0], b...), 0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff)
	f.from.Reset(f.in)
	if f.r == nil {
		f.r = flate.NewReader(&f.from)
	} else if err := f.r.(flate.Resetter).Reset(&f.from, nil); err != nil {
		return nil, fmt.Errorf("inflate: %w", err)
	}
	f.out = f.out[:0]
	for {
		f.out = slices.Grow(f.out, 4<<10)
		n, err := f.r.Read(f.out[len(f.out):cap(f.out)])
		f.out = f.out[:len(f.out)+n]
		switch {
		case errors.Is(err, io.EOF):
			return f.out, nil
		case err != nil:
			return nil, fmt.Errorf("inflate: %w", err)
		case len(f.out) > maxMessage:
			return nil, fmt.Errorf("a message of more than %d bytes", maxMessage)
		}
	}
}

const maxMessage = 64 << 20
