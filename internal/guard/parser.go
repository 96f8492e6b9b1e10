package guard

// Parser follows the frames of one client. Make it with NewParser. It is not safe for concurrent use.
type Parser struct {
	limits  *Limits
	deflate bool

	// The frame at hand.
	head [10]byte // first bytes of its header, as far as they have come
	have int8     // how many bytes of head are there
	rest int64    // bytes of mask and payload still to pass; the header is known

	// The message at hand.
	open     bool  // fragments were passed, the last one is to come
	declared int64 // bytes of its fragments so far

	controls, fragments bucket
}

// NewParser returns the parser of a new connection. deflate tells that permessage-deflate was negotiated.
// limits must stay as they are; others may take their place between two calls of Feed.
func NewParser(limits *Limits, deflate bool) Parser { return Parser{limits: limits, deflate: deflate} }

// Feed takes the next bytes of the client, which arrived at now: microseconds on any clock that does not
// go back. It returns how many of them belong to frames that are allowed. When that is not all, the frame
// behind is refused for the reason returned, no more bytes must be passed on, and Feed must not be
// called again. How the bytes are cut into calls makes no difference, but for bytes of the refused header
// that an earlier call has let through.
func (p *Parser) Feed(b []byte, now int64) (allowed int, refused *RefusedError) {
	for i := 0; i < len(b); {
		if p.rest > 0 {
			n := min(p.rest, int64(len(b)-i))
			p.rest -= n
			i += int(n)
			allowed = i
			continue
		}
		p.head[p.have] = b[i]
		p.have++
		i++
		if p.have < 2 {
			continue
		}
		if p.have == 2 {
			if refused := p.checkFlags(); refused != nil {
				return allowed, refused
			}
		}
		size, whole := p.size()
		if !whole {
			continue
		}
		if refused := p.checkSize(size, now); refused != nil {
			return allowed, refused
		}
		p.have, p.rest = 0, size+4 // the mask comes first
	}
	return len(b), nil
}

// checkFlags judges the first two bytes of a header, which hold everything but the size.
func (p *Parser) checkFlags() *RefusedError {
	const fin, rsv1, rsv23, opcode, masked, size = 0x80, 0x40, 0x30, 0x0f, 0x80, 0x7f
	first, second := p.head[0], p.head[1]
	op := first & opcode
	switch {
	case second&masked == 0:
		return errUnmasked
	case first&rsv23 != 0:
		return errReservedBits
	case first&rsv1 != 0 && !p.deflate:
		return errNotNegotiated
	case op >= 3 && op <= 7, op > opPong:
		return errOpcode
	case first&rsv1 != 0 && op != opText && op != opBinary:
		return errCompressed
	case op >= opClose && first&fin == 0:
		return errSplitControl
	case op >= opClose && second&size > maxControl:
		return errLongControl
	case op == opContinuation && !p.open:
		return errOrphan
	case (op == opText || op == opBinary) && p.open:
		return errInterrupted
	}
	return nil
}

const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPong         = 10

	maxControl = 125
)

// size returns the size of the payload as soon as the header holds all of it.
func (p *Parser) size() (n int64, whole bool) {
	var long int8
	switch n = int64(p.head[1] & 0x7f); n {
	case 126:
		long = 2
	case 127:
		long = 8
	default:
		return n, true
	}
	if p.have < 2+long {
		return 0, false
	}
	n = 0
	for _, b := range p.head[2 : 2+long] {
		n = n<<8 | int64(b)
	}
	return n, true
}

// checkSize judges a whole header.
func (p *Parser) checkSize(size, now int64) *RefusedError {
	switch {
	case size < 0:
		return errNegative
	case p.have == 4 && size < 126, p.have == 10 && size < 1<<16:
		return errNotMinimal
	case p.head[0]&0x0f >= opClose:
		if !p.controls.take(p.limits.Controls, now) {
			return errControlFlood
		}
		return nil
	}
	fin := p.head[0]&0x80 != 0
	if fragment := p.open || !fin; fragment && size < TinyFragment && !p.fragments.take(p.limits.Fragments, now) {
		return errTinyFlood
	}
	if size > p.limits.MaxMessage-p.declared {
		return tooBig(p.limits.MaxMessage)
	}
	p.open, p.declared = !fin, p.declared+size
	if fin {
		p.declared = 0
	}
	return nil
}

// bucket is a token bucket; the zero value is full.
type bucket struct {
	spent int64 // millionths of a token that are missing from a full bucket
	at    int64 // when spent was right
}

func (b *bucket) take(r Rate, now int64) bool {
	const token = 1_000_000
	// A microsecond brings back PerSecond millionths. Beyond an hour every bucket is full.
	since := min(max(now-b.at, 0), 3_600_000_000)
	b.spent = max(b.spent-since*r.PerSecond, 0)
	b.at = now
	if b.spent+token > r.Burst*token {
		return false
	}
	b.spent += token
	return true
}
