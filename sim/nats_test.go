package sim

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/natsserver"
	"github.com/feedd/feedd/internal/subject"
	"github.com/feedd/feedd/market"
	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func startNATS(t *testing.T) (listener, publisher *nats.Conn) {
	t.Helper()
	server, err := natsserver.Start(natsserver.Options{StoreDir: t.TempDir(), Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	var both [2]*nats.Conn
	for i := range both {
		if both[i], err = nats.Connect(server.URL()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(both[i].Close)
	}
	return both[0], both[1]
}

// A subscriber hears every instrument defined and open ahead of its ticks, numbers without a hole, the fake
// instrument beside the market, and a farewell.
func TestRunOnNATS(t *testing.T) {
	listener, publisher := startNATS(t)
	messages := make(chan *nats.Msg, 1<<20)
	if _, err := listener.ChanSubscribe("md.>", messages); err != nil {
		t.Fatal(err)
	}
	if err := listener.Flush(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, publisher, Config{Instruments: 50, Rate: 5000, Seed: 1}, slog.New(slog.DiscardHandler))
	}()
	next := make(map[string]uint64)
	ticks, fakes, farewells := 0, 0, 0
	for farewells < 2 {
		m := <-messages
		if strings.HasSuffix(m.Subject, ".heartbeat") {
			var beat marketdatav1.Heartbeat
			if err := proto.Unmarshal(m.Data, &beat); err != nil {
				t.Fatal(err)
			}
			if beat.Closing {
				farewells++
			}
			continue
		}
		s, err := subject.Parse(m.Subject)
		if err != nil {
			t.Fatal(err)
		}
		var batch marketdatav1.TickBatch
		if err := proto.Unmarshal(m.Data, &batch); err != nil {
			t.Fatal(err)
		}
		if batch.Sequence != next[m.Subject]+1 {
			t.Fatalf("%s: number %d behind %d", m.Subject, batch.Sequence, next[m.Subject])
		}
		n := len(batch.Quotes) + len(batch.Trades) + len(batch.Books) + len(batch.Definitions) + len(batch.Statuses) + len(batch.Statistics)
		next[m.Subject] += uint64(n)
		if s.Channel != market.ChannelDefinition && next[subject.For(s.Symbol, market.ChannelDefinition)] == 0 {
			t.Fatalf("%s ahead of its definition", m.Subject)
		}
		if s.Symbol.Venue == FakeVenue {
			fakes += len(batch.Quotes)
		}
		if ticks += n; ticks > 5000 && fakes > 1 {
			cancel()
		}
	}
	if err := <-ended; err != nil {
		t.Errorf("a stop is no error: %v", err)
	}
	m := newMarket(t, Config{Instruments: 50, Rate: 5000, Seed: 1})
	for _, in := range append(m.Instruments(), FakeInstrument()) {
		for _, channel := range []market.Channel{market.ChannelDefinition, market.ChannelStatus, market.ChannelQuote} {
			if next[subject.For(in.Symbol, channel)] == 0 {
				t.Errorf("%s: nothing heard on %s", in.Symbol, channel)
			}
		}
	}
}

func TestRunRefusesABadConfig(t *testing.T) {
	_, publisher := startNATS(t)
	if err := Run(t.Context(), publisher, Config{}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a market without instruments ran")
	}
}

func TestRunEndsWithItsConnection(t *testing.T) {
	listener, publisher := startNATS(t)
	heard := make(chan *nats.Msg, 1<<16)
	if _, err := listener.ChanSubscribe("md.test.FAKE.quote", heard); err != nil {
		t.Fatal(err)
	}
	if err := listener.Flush(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- Run(t.Context(), publisher, Config{Instruments: 1, Rate: 100, Seed: 1}, slog.New(slog.DiscardHandler))
	}()
	<-heard
	publisher.Close()
	if err := <-ended; err == nil {
		t.Error("went on without a connection")
	}
}
