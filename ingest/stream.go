package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/feedd/feedd/internal/subject"
	"github.com/feedd/feedd/market"
)

// DefaultStream is the name of the stream that records the ticks.
const DefaultStream = "FEEDD"

// StreamOptions says how ticks are recorded.
type StreamOptions struct {
	// Name of the stream. Empty: DefaultStream.
	Name string
	// MaxAge and MaxBytes bound what is kept; the oldest goes first. 0: a quarter of an hour, and 512 MiB.
	MaxAge   time.Duration
	MaxBytes int64
	// Raise has a stream of that name keep ticks for longer, or more of them, where it keeps less than is wanted.
	Raise bool
	// Memory keeps the stream in memory instead of in files.
	Memory bool
}

// EnsureStream makes the stream that records ticks, unless there is one. One of the same name with another
// configuration is somebody's decision: it is left as it is, and the log says so. Neither heartbeats nor snapshot requests are
// recorded: a stream that records a request also answers it.
func EnsureStream(ctx context.Context, nc *nats.Conn, o StreamOptions, log *slog.Logger) error {
	want := o.config()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("stream %s: %w", want.Name, err)
	}
	stream, err := js.Stream(ctx, want.Name)
	switch {
	case err == nil:
		have := stream.CachedInfo().Config
		if o.Raise && raise(&have, want) {
			if _, err := js.UpdateStream(ctx, have); err != nil {
				return fmt.Errorf("stream %s: %w", want.Name, err)
			}
			log.Info("the stream keeps ticks for longer now", slog.String("stream", want.Name), slog.Duration("max_age", have.MaxAge), slog.Int64("max_bytes", have.MaxBytes))
			return nil
		}
		if !same(have, want) {
			log.Warn("the stream is configured otherwise and is left so", slog.String("stream", want.Name), slog.Any("subjects", have.Subjects),
				slog.Duration("max_age", have.MaxAge), slog.Int64("max_bytes", have.MaxBytes), slog.String("storage", have.Storage.String()))
		}
		return nil
	case !errors.Is(err, jetstream.ErrStreamNotFound):
		return fmt.Errorf("stream %s: %w", want.Name, err)
	}
	if name, err := js.StreamNameBySubject(ctx, subject.AllOf(market.ChannelQuote)); err == nil {
		log.Info("another stream records the ticks already", slog.String("stream", name))
		return nil
	}
	if _, err := js.CreateStream(ctx, want); err != nil {
		return fmt.Errorf("stream %s: %w", want.Name, err)
	}
	log.Info("stream made", slog.String("stream", want.Name), slog.Duration("max_age", want.MaxAge), slog.Int64("max_bytes", want.MaxBytes))
	return nil
}

func (o StreamOptions) config() jetstream.StreamConfig {
	cfg := jetstream.StreamConfig{
		Name: o.Name, MaxAge: o.MaxAge, MaxBytes: o.MaxBytes, Discard: jetstream.DiscardOld, AllowDirect: true,
		Description: "ticks as publishers sent them, for feedd to start from and to fill gaps with",
	}
	for _, ch := range []market.Channel{market.ChannelQuote, market.ChannelTrade, market.ChannelBook, market.ChannelStatus,
		market.ChannelDefinition, market.ChannelStats} {
		cfg.Subjects = append(cfg.Subjects, subject.AllOf(ch))
	}
	if cfg.Name == "" {
		cfg.Name = DefaultStream
	}
	if cfg.MaxAge == 0 {
		cfg.MaxAge = 15 * time.Minute
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 512 << 20
	}
	if o.Memory {
		cfg.Storage = jetstream.MemoryStorage
	}
	return cfg
}

// raise has a configuration keep what is wanted, and reports whether that is more than it did.
func raise(have *jetstream.StreamConfig, want jetstream.StreamConfig) bool {
	longer := have.MaxAge != 0 && have.MaxAge < want.MaxAge
	larger := have.MaxBytes > 0 && have.MaxBytes < want.MaxBytes
	if longer {
		have.MaxAge = want.MaxAge
	}
	if larger {
		have.MaxBytes = want.MaxBytes
	}
	return longer || larger
}

// same compares what matters to feedd.
func same(a, b jetstream.StreamConfig) bool {
	return slices.Equal(a.Subjects, b.Subjects) && a.MaxAge == b.MaxAge && a.MaxBytes == b.MaxBytes && a.Storage == b.Storage && a.Discard == b.Discard
}

// Connect opens a connection with the settings that feedd needs: a frozen server is noticed within three
// seconds instead of minutes, and the client never stops trying. It returns at once, also where no server answers yet; name
// shows up in the server's list of connections.
func Connect(url, name string, log *slog.Logger, more ...nats.Option) (*nats.Conn, error) {
	options := append([]nats.Option{
		nats.Name(name),
		nats.PingInterval(time.Second), nats.MaxPingsOutstanding(2),
		nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond), nats.ReconnectJitter(100*time.Millisecond, 250*time.Millisecond),
		nats.RetryOnFailedConnect(true), dialled(),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrSlowConsumer) {
				return // counted where it is read, once for all messages
			}
			log.Warn("nats", slog.Any("err", err))
		}),
	}, more...)
	nc, err := nats.Connect(url, options...)
	if err != nil {
		return nil, fmt.Errorf("connecting to NATS: %w", err) // without the URL, which may hold a password
	}
	return nc, nil
}
