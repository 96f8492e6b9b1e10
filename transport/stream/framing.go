package stream

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"strconv"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/fanout"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// framing lays messages end to end in a response. It implements fanout.Framing; one value serves all connections of its kind.
type framing struct {
	encoding fanout.Encoding
	kind     string // media type of the response
	wrap     func(dst, payload []byte, use fanout.Use) []byte
}

var (
	lines     = &framing{fanout.JSON, "application/x-ndjson", appendLine}
	delimited = &framing{fanout.Proto, "application/x-protobuf", appendDelimited}
	events    = &framing{fanout.JSON, "text/event-stream", appendEvent}
)

// Encoding returns the encoding of the payloads.
func (f *framing) Encoding() fanout.Encoding { return f.encoding }

// AppendFrame appends payload to dst as one whole message.
func (f *framing) AppendFrame(dst, payload []byte, use fanout.Use, _ int) []byte {
	return f.wrap(dst, payload, use)
}

// encode writes a message of our own.
func (f *framing) encode(m *feedv1.ServerFrame) []byte {
	var payload []byte
	if f.encoding == fanout.JSON {
		payload, _ = protojson.Marshal(m) // cannot fail for text that is UTF-8
	} else {
		payload, _ = proto.Marshal(m)
	}
	return payload
}

func appendLine(dst, payload []byte, _ fanout.Use) []byte {
	return append(append(dst, payload...), '\n')
}

func appendDelimited(dst, payload []byte, _ fanout.Use) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(payload))), payload...)
}

// appendEvent appends an event. Its type is the default one, which a page's onmessage gets, but for heartbeats: those would
// only be in the way of somebody who waits for rows.
func appendEvent(dst, payload []byte, use fanout.Use) []byte {
	if use == fanout.UseControl {
		switch {
		case bytes.HasPrefix(payload, heartbeatBegins):
			dst = append(dst, "event: heartbeat\n"...)
		case bytes.Contains(payload, goawayHolds):
			dst = appendRetry(dst, adviceOf(payload))
		}
	}
	return append(append(append(dst, "data: "...), payload...), "\n\n"...)
}

var heartbeatBegins, goawayHolds = []byte(`{"heartbeat":`), []byte(`"goaway":`)

// wait is a span of time in milliseconds, at a random moment of which a client is to come back.
type wait struct {
	Min uint32 `json:"reconnectMinMs"`
	Max uint32 `json:"reconnectMaxMs"`
}

// adviceOf returns what a goaway asks for.
func adviceOf(payload []byte) wait {
	var f struct {
		Goaway wait `json:"goaway"`
	}
	_ = json.Unmarshal(payload, &f) // it is ours
	return f.Goaway
}

// appendRetry appends when to come back. An EventSource does so by itself, after just that time: each is told another one, so
// that they do not come back together.
func appendRetry(dst []byte, w wait) []byte {
	if w.Max < w.Min || w.Max == 0 {
		return dst
	}
	ms := uint64(w.Min) + rand.Uint64N(uint64(w.Max-w.Min)+1)
	return append(strconv.AppendUint(append(dst, "retry: "...), ms, 10), '\n')
}
