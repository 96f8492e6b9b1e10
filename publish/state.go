package publish

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/subject"
	"github.com/feedd/feedd/market"
	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
)

// heartbeatBytes ends a heartbeat's list of positions; the rest goes into further heartbeats.
const heartbeatBytes = 32 << 10

// heartbeat publishes a sign of life with the last numbers of what ticked since the heartbeat before the
// last one, and of what is repeated, in as many messages as it takes.
func (p *Publisher) heartbeat(closing bool) error {
	p.mu.Lock()
	instruments := p.instruments
	p.mu.Unlock()
	to := subject.Heartbeat(p.o.Venue)
	head := appendText(nil, 1, p.o.Source)
	head = appendText(head, 2, p.o.Line)
	head = appendUint(head, 3, uint64(p.o.Epoch))
	head = appendUint(head, 4, uint64(p.o.HeartbeatInterval.Milliseconds()))
	head = appendUint(head, 5, uint64(p.micros()))
	head = protowire.AppendTag(head, 8, protowire.Fixed64Type)
	head = protowire.AppendFixed64(head, p.instance)
	msg := slices.Clone(head)
	for _, i := range instruments {
		if msg = i.appendPositions(msg); len(msg) > heartbeatBytes {
			if err := p.nc.Publish(to, msg); err != nil {
				return fmt.Errorf("publish: %s: %w", to, err)
			}
			msg = append(msg[:0], head...)
		}
	}
	if closing {
		msg = appendUint(msg, 7, 1)
	}
	if err := p.nc.Publish(to, msg); err != nil {
		return fmt.Errorf("publish: %s: %w", to, err)
	}
	return nil
}

// appendPositions appends the last number of each channel that is to be reported. It names only what was
// handed to NATS, on the same connection, so a reader that misses such a number has lost it.
func (i *Instrument) appendPositions(dst []byte) []byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, s := range i.reported() {
		if s.report == 0 {
			continue
		}
		s.report--
		var start int
		dst, start = element(dst, 6)
		dst = appendText(dst, 1, i.definition.Symbol.Name)
		dst = appendText(dst, 2, s.channel.String())
		dst = appendUint(dst, 3, uint64(s.sent))
		dst = closeElement(dst, start)
	}
	return dst
}

// answer replies to a snapshot request, if it is for an instrument of this publisher: the venue may have
// others.
func (p *Publisher) answer(m *nats.Msg) error {
	asked, err := subject.Parse(m.Subject)
	if err != nil || m.Reply == "" {
		return nil
	}
	p.mu.Lock()
	i := p.bySymbol[asked.Symbol]
	p.mu.Unlock()
	if i == nil {
		return nil
	}
	var request marketdatav1.SnapshotRequest
	if err := proto.Unmarshal(m.Data, &request); err != nil {
		return fmt.Errorf("publish: request on %s: %w", m.Subject, err)
	}
	reply := i.snapshot(func(ch market.Channel) bool {
		return len(request.Channels) == 0 || slices.Contains(request.Channels, ch.String())
	})
	if err := p.nc.Publish(m.Reply, reply); err != nil && !errors.Is(err, nats.ErrMaxPayload) {
		return fmt.Errorf("publish: answer to %s: %w", m.Subject, err)
	} else if err == nil {
		return nil
	}
	// The server carries less than usual: everything but the book is small.
	reply = i.snapshot(func(ch market.Channel) bool {
		return ch != market.ChannelBook && (len(request.Channels) == 0 || slices.Contains(request.Channels, ch.String()))
	})
	if err := p.nc.Publish(m.Reply, reply); err != nil {
		return fmt.Errorf("publish: answer to %s: %w", m.Subject, err)
	}
	return nil
}

// snapshot returns a marketdata.v1.Snapshot of the channels wanted. The definition is always there and
// comes first, since the rest cannot be read without it.
func (i *Instrument) snapshot(wanted func(market.Channel) bool) []byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	var dst []byte
	add := func(s *series, ticks int, published int64, body func([]byte) []byte) {
		if ticks == 0 || s.last == 0 || s.channel != market.ChannelDefinition && !wanted(s.channel) {
			return
		}
		var batch []byte
		batch = appendHeader(batch, i.p.o.Epoch, s.last-market.Sequence(ticks)+1, published)
		dst = protowire.AppendTag(dst, 1, protowire.BytesType)
		dst = protowire.AppendBytes(dst, body(batch))
	}
	add(&i.definitions, 1, i.p.micros(), func(b []byte) []byte { return appendDefinition(b, &i.definition) })
	add(&i.statuses, 1, i.status.publishTime, func(b []byte) []byte { return appendStatus(b, &i.status) })
	add(&i.quotes, 1, i.quoteTime, func(b []byte) []byte { return appendQuote(b, &i.quote) })
	add(&i.trades, len(i.history), i.tradeTime, func(b []byte) []byte {
		for n := range i.history {
			b = appendTrade(b, &i.history[(i.oldest+n)%len(i.history)])
		}
		return b
	})
	add(&i.books, 1, i.bookTime, func(b []byte) []byte {
		return appendBook(b, i.image.whole())
	})
	add(&i.stats, 1, i.statsTime, func(b []byte) []byte { return appendStatistics(b, &i.statement) })
	return dst
}
