package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/feedd/feedd/ingest"
	"github.com/feedd/feedd/internal/rig"
)

// leaderLost has the stream lose its leader in each way there is, while a reader of its own follows it.
func leaderLost(r *trial) {
	c := newCluster(r)
	nc := c.nats.Connect()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(time.Second))
	if err != nil {
		r.Fatal(err)
	}
	end := c.market.Run()
	for _, fault := range []struct {
		name string
		do   func(*rig.NATSServer)
		undo func(*rig.NATSServer)
	}{
		{"stepped down", func(*rig.NATSServer) { stepDown(r, nc, ingest.DefaultStream, "") }, func(*rig.NATSServer) {}},
		{"frozen", (*rig.NATSServer).Freeze, (*rig.NATSServer).Thaw},
		{"killed", (*rig.NATSServer).Kill, (*rig.NATSServer).Start},
	} {
		leader := c.leadElsewhere(nc, c.stream)
		follower := follow(r, js)
		c.sometime()
		began := time.Now()
		fault.do(leader)
		acknowledged := acknowledges(r, js)
		r.duration(fault.name+": longest silence of quotes", c.viewer.Silence(began, time.Now()))
		r.duration(fault.name+": until the stream takes messages again", acknowledged.Sub(began))
		c.sometime()
		follower.end(r, fault.name)
		fault.undo(leader)
		c.nats.AwaitHealth()
		rig.Record(r, nc, 3)
	}
	end()
	c.ends()
}

// leadElsewhere has a stream led by a server that neither feedd nor the market is at, and returns it.
func (c *cluster) leadElsewhere(nc *nats.Conn, stream jetstream.Stream) (leader *rig.NATSServer) {
	c.r.Helper()
	at := c.nats.Serving("feedd")
	want := c.nats.Servers[(at+2)%3]
	if c.nats.Serving("rig market") == (at+2)%3 {
		want = c.nats.Servers[(at+1)%3]
	}
	rig.Eventually(c.r, "another leader", func() bool {
		if leader = c.nats.Leader(stream); leader == want {
			return true
		}
		stepDown(c.r, nc, stream.CachedInfo().Config.Name, want.Name)
		time.Sleep(200 * time.Millisecond)
		return false
	})
	return leader
}

// stepDown asks a stream's leader to make place, for a server where one is named.
func stepDown(r *trial, nc *nats.Conn, stream, preferred string) {
	r.Helper()
	request := map[string]any{}
	if preferred != "" {
		request["placement"] = map[string]string{"preferred": preferred}
	}
	text, err := json.Marshal(request)
	if err == nil {
		_, err = nc.Request("$JS.API.STREAM.LEADER.STEPDOWN."+stream, text, 5*time.Second)
	}
	if err != nil {
		r.Logf("step down: %v", err)
	}
}

// acknowledges waits until the stream takes a message, and returns when.
func acknowledges(r *trial, js jetstream.JetStream) (at time.Time) {
	r.Helper()
	rig.Eventually(r, "an acknowledgement", func() bool {
		ctx, cancel := context.WithTimeout(r.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := js.Publish(ctx, "md.other.Y.status", []byte(`{"trading":"open"}`))
		at = time.Now()
		return err == nil
	})
	return at
}

// follower reads the stream as it grows.
type follower struct {
	consuming jetstream.ConsumeContext
	mu        sync.Mutex
	last      uint64
	wrong     string
	at        time.Time
	stall     time.Duration
}

func follow(r *trial, js jetstream.JetStream) *follower {
	r.Helper()
	consumer, err := js.OrderedConsumer(rig.Deadline(r), ingest.DefaultStream, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy})
	if err != nil {
		r.Fatal(err)
	}
	f := &follower{at: time.Now()}
	f.consuming, err = consumer.Consume(func(m jetstream.Msg) {
		f.mu.Lock()
		defer f.mu.Unlock()
		meta, err := m.Metadata()
		if err != nil || f.last != 0 && meta.Sequence.Stream != f.last+1 {
			f.wrong = fmt.Sprintf("message %+v behind %d: %v", meta, f.last, err)
		}
		if err == nil {
			f.last = meta.Sequence.Stream
		}
		f.stall = max(f.stall, time.Since(f.at))
		f.at = time.Now()
	})
	if err != nil {
		r.Fatal(err)
	}
	return f
}

func (f *follower) end(r *trial, name string) {
	r.Helper()
	since := time.Now()
	rig.Eventually(r, "the reader of the stream to go on", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.at.After(since)
	})
	f.consuming.Stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	r.duration(name+": longest stall of a reader of the stream", f.stall)
	if f.wrong != "" {
		r.Errorf("%s: %s", name, f.wrong)
	}
}
