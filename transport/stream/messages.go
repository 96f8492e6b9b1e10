package stream

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/feedd/feedd/transport/gate"
)

// readWithin is what a request's body gets to arrive.
const readWithin = 10 * time.Second

// maxMessages bounds the messages of a request.
const maxMessages = 64

// framingFor finds out what a request, and with it the connection, is written in.
func framingFor(r *http.Request) (*framing, *gate.Refusal) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	f := lines
	switch kind {
	case "", "application/json", "application/x-ndjson", "text/plain", "application/x-www-form-urlencoded": // the last is curl's -d
	case "application/x-protobuf", "application/protobuf":
		f = delimited
	default:
		return nil, &gate.Refusal{Status: http.StatusUnsupportedMediaType, Text: fmt.Sprintf(
			"a body of %q is not read here: want application/x-ndjson (JSON, a message a line) or application/x-protobuf (each message behind its length as a varint)", kind)}
	}
	for _, accepted := range r.Header.Values("Accept") {
		if other := otherThan(f); accepts(accepted, other.kind) && !accepts(accepted, f.kind) && !accepts(accepted, "*/*") {
			return nil, &gate.Refusal{Status: http.StatusNotAcceptable, Text: fmt.Sprintf(
				"a connection speaks one form in both directions: the request is %s, so the answer cannot be %s", f.kind, other.kind)}
		}
	}
	return f, nil
}

func otherThan(f *framing) *framing {
	if f == lines {
		return delimited
	}
	return lines
}

// readMessages reads the messages in a request's body. longest is the most bytes that one may have.
func (s *Server) readMessages(w http.ResponseWriter, r *http.Request, f *framing, longest int) ([][]byte, *gate.Refusal) {
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(readWithin)) // not every ResponseWriter has deadlines; a connection of net/http does
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(s.opt.MaxBody)))
	_ = rc.SetReadDeadline(time.Time{})
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, &gate.Refusal{Status: http.StatusRequestEntityTooLarge, Text: fmt.Sprintf("a body may have %d bytes: send the rest in further requests", s.opt.MaxBody)}
	case err != nil:
		return nil, &gate.Refusal{Status: http.StatusBadRequest, Text: "the body did not arrive whole: " + err.Error()}
	}
	messages, err := split(body, f)
	switch {
	case err != nil:
		return nil, &gate.Refusal{Status: http.StatusBadRequest, Text: err.Error()}
	case len(messages) > maxMessages:
		return nil, &gate.Refusal{Status: http.StatusRequestEntityTooLarge, Text: fmt.Sprintf("%d messages in one request: at most %d are taken", len(messages), maxMessages)}
	}
	for n, m := range messages {
		if len(m) > longest {
			return nil, &gate.Refusal{Status: http.StatusRequestEntityTooLarge, Text: fmt.Sprintf("message %d has %d bytes: at most %d are allowed", n+1, len(m), longest)}
		}
	}
	return messages, nil
}

// split takes a body apart.
func split(body []byte, f *framing) ([][]byte, error) {
	if f == delimited {
		return splitDelimited(body)
	}
	return splitJSON(body)
}

// splitJSON takes JSON values one after the other, whether or not each has a line of its own.
func splitJSON(body []byte) (messages [][]byte, err error) {
	for d := json.NewDecoder(bytes.NewReader(body)); ; {
		var m json.RawMessage
		switch err := d.Decode(&m); {
		case errors.Is(err, io.EOF):
			return messages, nil
		case err != nil:
			return nil, fmt.Errorf("message %d of the body is not JSON: %w; want a ClientFrame a line, such as %s", len(messages)+1, err,
				`{"subscribe":{"symbols":["sim:BTC-USD"]}}`)
		}
		messages = append(messages, m)
	}
}

func splitDelimited(body []byte) (messages [][]byte, err error) {
	for len(body) > 0 {
		size, n := binary.Uvarint(body)
		if n <= 0 || size > uint64(len(body)-n) {
			return nil, fmt.Errorf("message %d of the body is not whole: want each ClientFrame behind its length as a varint", len(messages)+1)
		}
		messages = append(messages, body[n:n+int(size)])
		body = body[n+int(size):]
	}
	return messages, nil
}

// accepts reports whether an Accept header names a media type.
func accepts(header, kind string) bool {
	for part := range bytes.SplitSeq([]byte(header), []byte(",")) {
		if name, _, err := mime.ParseMediaType(string(part)); err == nil && name == kind {
			return true
		}
	}
	return false
}
