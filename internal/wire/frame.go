package wire

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/feedd/feedd/market"
)

// Field numbers of feed.v1.Status and SourceStatus.
const (
	statusHandle  = 1
	statusStream  = 2
	statusQuality = 3
	statusTrading = 4
	statusReason  = 5
	statusSince   = 6

	sourceName    = 1
	sourceStream  = 2
	sourceQuality = 3
	sourceReason  = 4
)

// AppendStatus appends an instrument's status.
func AppendStatus(dst []byte, h market.Handle, s *market.Status) []byte {
	dst, body := begin(dst, frameStatuses)
	dst = appendUint(dst, statusHandle, uint64(h))
	dst = appendUint(dst, statusStream, uint64(s.Stream))
	dst = appendUint(dst, statusQuality, uint64(s.Quality))
	dst = appendUint(dst, statusTrading, uint64(s.Trading))
	dst = appendString(dst, statusReason, s.Reason)
	dst = appendUint(dst, statusSince, uint64(s.Since))
	return end(dst, body)
}

// AppendSourceStatus appends a source's status.
func AppendSourceStatus(dst []byte, source string, s *market.Status) []byte {
	dst, body := begin(dst, frameSourceStatuses)
	dst = appendString(dst, sourceName, source)
	dst = appendUint(dst, sourceStream, uint64(s.Stream))
	dst = appendUint(dst, sourceQuality, uint64(s.Quality))
	dst = appendString(dst, sourceReason, s.Reason)
	return end(dst, body)
}

// Header is what a frame says of all its rows.
type Header struct {
	CutTime   int64  // microseconds since the Unix epoch
	Conflated uint64 // ticks merged into State rows beyond those shown
	Partial   bool   // more frames of the same cut follow
	Delay     uint32 // milliseconds behind the market on purpose
}

// AppendHeader appends h as fields of a ServerFrame. It may stand before or behind the fragments.
func AppendHeader(dst []byte, h Header) []byte {
	dst = protowire.AppendTag(dst, frameCutTime, protowire.Fixed64Type)
	dst = protowire.AppendFixed64(dst, uint64(h.CutTime))
	dst = appendUint(dst, frameConflated, min(h.Conflated, 1<<32-1))
	if h.Partial {
		dst = appendUint(dst, framePartial, 1)
	}
	return appendUint(dst, frameDelay, uint64(h.Delay))
}

// AppendHeartbeat appends a ServerFrame that holds a heartbeat and nothing else.
func AppendHeartbeat(dst []byte, now int64) []byte {
	dst, body := begin(dst, frameHeartbeat)
	dst = appendUint(dst, 1, uint64(now))
	return end(dst, body)
}
