package probe

import (
	"bytes"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/benchmarks/feed"
	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
)

// Subscriber is a client of NATS itself: it reads the client protocol of NATS from the bytes of a
// connection, and the delay of each message from the stamps in its quotes.
type Subscriber struct {
	record  *Record
	subject map[string]bool // subscribed; true: a message came
	missing int
	buf     []byte // what is not complete yet
	batch   marketdatav1.TickBatch
}

// NewSubscriber returns a subscriber to the quotes of symbols ("bench:NAME"), which adds to record.
func NewSubscriber(record *Record, symbols []string) *Subscriber {
	s := &Subscriber{record: record, subject: make(map[string]bool), missing: len(symbols)}
	for _, symbol := range symbols {
		s.subject[quoteSubject(symbol)] = false
	}
	return s
}

// quoteSubject needs no escapes: the benchmark's symbols have none to make.
func quoteSubject(symbol string) string {
	venue, name, _ := bytes.Cut([]byte(symbol), []byte(":"))
	return fmt.Sprintf("md.%s.%s.quote", venue, name)
}

// SubscriberHello returns what a subscriber to the quotes of symbols says first.
func SubscriberHello(symbols []string) []byte {
	b := []byte("CONNECT {\"verbose\":false,\"pedantic\":false,\"protocol\":1}\r\n")
	for n, symbol := range symbols {
		// NATS takes a second SUB with the same id for a repeat of the first.
		b = fmt.Appendf(b, "SUB %s %d\r\n", quoteSubject(symbol), n+1)
	}
	return b
}

// Complete reports whether every subject had a message.
func (s *Subscriber) Complete() bool { return s.missing == 0 }

// Take reads more bytes, which arrived at received (microseconds since the Unix epoch), and returns what
// to answer, if anything.
func (s *Subscriber) Take(received int64, b []byte) (answer []byte) {
	s.buf = append(s.buf, b...)
	rest := s.buf
	for {
		line, behind, ok := bytes.Cut(rest, []byte("\r\n"))
		if !ok {
			break
		}
		word, args, _ := bytes.Cut(line, []byte(" "))
		switch string(word) {
		case "MSG":
			payload, after, ok := s.payload(args, behind)
			if !ok {
				s.buf = append(s.buf[:0], rest...)
				return answer
			}
			if payload != nil {
				s.message(received, args, payload)
			}
			behind = after
		case "PING":
			answer = append(answer, "PONG\r\n"...)
		case "INFO", "PONG", "+OK":
		default:
			s.record.problem("NATS says %.100q", line)
		}
		rest = behind
	}
	s.buf = append(s.buf[:0], rest...)
	return answer
}

// payload cuts the payload of "MSG subject sid size" from b; ok is false when it is not all there.
func (s *Subscriber) payload(args, b []byte) (payload, rest []byte, ok bool) {
	size, err := strconv.Atoi(string(args[bytes.LastIndexByte(args, ' ')+1:]))
	if err != nil || size < 0 {
		s.record.problem("NATS says MSG %.100q", args)
		return nil, b, true
	}
	const end = len("\r\n")
	if len(b) < size+end {
		return nil, nil, false
	}
	return b[:size], b[size+end:], true
}

func (s *Subscriber) message(received int64, args, payload []byte) {
	subject, _, _ := bytes.Cut(args, []byte(" "))
	seen, ours := s.subject[string(subject)]
	if err := proto.Unmarshal(payload, &s.batch); err != nil || !ours || len(s.batch.GetQuotes()) == 0 {
		s.record.problem("message on %s with %d quotes: %v", subject, len(s.batch.GetQuotes()), err)
		return
	}
	s.record.frames++
	s.record.rows += int64(len(s.batch.GetQuotes()))
	if !seen {
		s.subject[string(subject)] = true
		s.missing--
	}
	newest := s.batch.GetQuotes()[len(s.batch.GetQuotes())-1]
	if q := (feed.Quote{BidSize: newest.GetBidSize()}); feed.Stamped(q) {
		record(s.record.delay, received-q.BidSize)
	}
}
