package peers

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	marketdatav1 "github.com/feedd/feedd/proto/marketdata/v1"
)

// Variants of centrifuge.
const (
	// Every passes every message on, as soon as it comes: what the open-source server does.
	Every = "every"
	// Batched passes every message on, those of one cadence in one frame.
	Batched = "batched"
	// Latest keeps the newest message of each channel for a cadence, and collects what falls due within a few
	// milliseconds into a frame.
	Latest = "latest"
	// LatestBatched keeps the newest message of each channel for a cadence, and collects for as long again: the fewest
	// frames that it can do with, for up to twice the age.
	LatestBatched = "latest-batched"
)

// joinWindows is how long Latest collects: channels fall due at different times, and each frame costs a write.
const joinWindows = 10 * time.Millisecond

func newCentrifuge(cfg Config, nc *nats.Conn) (http.Handler, func(), error) {
	conf := centrifuge.Config{LogLevel: centrifuge.LogLevelNone, ClientChannelLimit: 4096}
	reply := centrifuge.ConnectReply{
		Credentials: &centrifuge.Credentials{UserID: "bench"}, MaxMessagesInFrame: -1, ReplyWithoutQueue: true,
	}
	conflates := cfg.Variant == Latest || cfg.Variant == LatestBatched
	switch cfg.Variant {
	case Every:
	case Batched, LatestBatched:
		reply.WriteDelay, reply.WriteWithTimer = cfg.Cadence, true
	case Latest:
		reply.WriteDelay, reply.WriteWithTimer = joinWindows, true
	default:
		return nil, nil, fmt.Errorf("variant %q: want %s, %s, %s or %s", cfg.Variant, Every, Batched, Latest, LatestBatched)
	}
	if conflates {
		batch := centrifuge.ChannelBatchConfig{MaxDelay: cfg.Cadence, FlushLatestPublication: true}
		conf.GetChannelBatchConfig = func(string) centrifuge.ChannelBatchConfig { return batch }
	}
	node, err := centrifuge.New(conf)
	if err != nil {
		return nil, nil, err
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) { return reply, nil })
	node.OnConnect(func(c *centrifuge.Client) {
		c.OnSubscribe(func(_ centrifuge.SubscribeEvent, answer centrifuge.SubscribeCallback) {
			answer(centrifuge.SubscribeReply{Options: centrifuge.SubscribeOptions{AllowChannelCompaction: true}}, nil)
		})
	})
	if err := node.Run(); err != nil {
		return nil, nil, err
	}
	stop := func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = node.Shutdown(ctx)
	}
	if err := subscribe(nc, func(symbol string, data []byte) {
		if conflates {
			data = newest(data)
		}
		_, _ = node.Publish(symbol, data) // nobody listening is no error
	}); err != nil {
		stop()
		return nil, nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/connection/websocket", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		CheckOrigin:    func(*http.Request) bool { return true },
		ReadBufferSize: 512, UseWriteBufferPool: true, MessageSizeLimit: 1 << 20, ProcessCommandsOffReadLoop: true,
	}))
	return mux, stop, nil
}

// newest cuts a batch of ticks down to its last one, which is all that a conflating peer has to send.
func newest(batch []byte) []byte {
	var b marketdatav1.TickBatch
	if err := proto.Unmarshal(batch, &b); err != nil || len(b.GetQuotes()) == 0 {
		return batch
	}
	last := len(b.GetQuotes()) - 1
	short, err := proto.Marshal(&marketdatav1.TickBatch{Sequence: b.GetSequence() + uint64(last), Quotes: b.GetQuotes()[last:]})
	if err != nil {
		return batch
	}
	return short
}
