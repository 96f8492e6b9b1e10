package inbox

import (
	"encoding/binary"
	"unicode/utf8"
)

// Receiver takes what a client says. Payloads are valid only during the call.
type Receiver interface {
	// Message is a whole message, decompressed, and valid UTF-8 if it is text.
	Message(text bool, payload []byte)
	// Ping is to be answered by a pong with the same payload, of 125 bytes at most.
	Ping(payload []byte)
}

// Inbox is one client's. The zero value is ready once Limit is set. It is not safe for concurrent use.
type Inbox struct {
	Limit   int // bytes of a message, decompressed; the guard bounds what comes
	partial *partial
}

// partial is what has come of a frame, or of a message, that is not whole yet.
type partial struct {
	head [maxHead]byte
	have int // bytes of head, 0 between frames

	known   bool // the header is whole
	header  header
	payload []byte // of the frame, unmasked

	open    bool // a message began whose last fragment is to come
	first   header
	message []byte // its fragments
}

// header is that of a frame.
type header struct {
	fin, packed bool
	op          byte
	mask        [4]byte
	size        int
}

const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9

	maxHead = 14
)

// parse reads a header. n is its length; 0: it is not whole.
func parse(b []byte) (h header, n int) {
	if len(b) < 2 {
		return h, 0
	}
	h.fin, h.packed, h.op = b[0]&0x80 != 0, b[0]&0x40 != 0, b[0]&0x0f
	n = 6
	switch size := int(b[1] & 0x7f); size {
	case 126:
		n = 8
	case 127:
		n = 14
	default:
		h.size = size
	}
	if len(b) < n {
		return h, 0
	}
	switch n {
	case 8:
		h.size = int(binary.BigEndian.Uint16(b[2:]))
	case 14:
		h.size = int(binary.BigEndian.Uint64(b[2:]))
	}
	copy(h.mask[:], b[n-4:n])
	return h, n
}

// Feed takes the next bytes, in which it undoes the mask. It returns a *Closed when the client has closed, and an
// *Error when it sent what cannot be read; Feed must not be called again then.
func (x *Inbox) Feed(b []byte, to Receiver) error {
	for len(b) > 0 {
		var err error
		if b, err = x.take(b, to); err != nil {
			return err
		}
	}
	return nil
}

// take takes a frame from b, or as much of it as there is, and returns what lies behind.
func (x *Inbox) take(b []byte, to Receiver) (rest []byte, err error) {
	p := x.partial
	if p == nil || p.have == 0 {
		if h, n := parse(b); n > 0 && len(b)-n >= h.size {
			payload := b[n : n+h.size]
			unmask(payload, h.mask, 0)
			return b[n+h.size:], x.frame(h, payload, to)
		}
		if p == nil {
			p = new(partial)
			x.partial = p
		}
	}
	for !p.known && len(b) > 0 {
		p.head[p.have] = b[0]
		p.have++
		b = b[1:]
		var n int
		p.header, n = parse(p.head[:p.have])
		p.known = n > 0
	}
	if !p.known {
		return nil, nil
	}
	n := min(p.header.size-len(p.payload), len(b))
	from := len(p.payload)
	p.payload = append(p.payload, b[:n]...) // what was declared need not come, so no room is made for it ahead
	unmask(p.payload[from:], p.header.mask, from)
	if len(p.payload) < p.header.size {
		return nil, nil
	}
	payload := p.payload
	p.have, p.known, p.payload = 0, false, nil
	return b[n:], x.frame(p.header, payload, to)
}

// frame takes a whole frame, unmasked.
func (x *Inbox) frame(h header, payload []byte, to Receiver) error {
	defer x.forget()
	switch {
	case h.op == opPing:
		to.Ping(payload)
		return nil
	case h.op == opClose:
		return closed(payload)
	case h.op > opClose: // a pong: that something came is enough
		return nil
	case h.op != opContinuation && h.fin:
		return x.deliver(h, payload, to)
	}
	p := x.partial
	if p == nil {
		p = new(partial)
		x.partial = p
	}
	if h.op != opContinuation {
		p.open, p.first = true, h
	}
	p.message = append(p.message, payload...)
	if !h.fin {
		return nil
	}
	message, first := p.message, p.first
	p.open, p.message = false, nil
	return x.deliver(first, message, to)
}

// forget lets go of what was kept, if nothing is to come of it any more.
func (x *Inbox) forget() {
	if p := x.partial; p != nil && !p.open && p.have == 0 {
		x.partial = nil
	}
}

func (x *Inbox) deliver(h header, payload []byte, to Receiver) error {
	if h.packed {
		inflated, err := inflate(payload, x.Limit)
		if err != nil {
			return err
		}
		defer inflated.release()
		payload = inflated.out
	}
	if h.op == opText && !utf8.Valid(payload) {
		return errText
	}
	to.Message(h.op == opText, payload)
	return nil
}

// unmask undoes the mask of bytes that lie from on in a payload.
func unmask(b []byte, mask [4]byte, from int) {
	key := binary.LittleEndian.Uint32(mask[:])
	if turn := from % 4 * 8; turn > 0 {
		key = key>>turn | key<<(32-turn)
	}
	wide := uint64(key)<<32 | uint64(key)
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^wide)
	}
	for i := range b {
		b[i] ^= byte(key >> (i % 4 * 8))
	}
}
