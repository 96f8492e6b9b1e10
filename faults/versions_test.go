package faults

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/internal/rig"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// later is a field that no schema knows yet, as it stands in a message.
var later = protowire.AppendVarint(protowire.AppendTag(nil, 1999, protowire.VarintType), 1)

// laterRelay passes on all that is published at one NATS to another, as a publisher of a later version would have said it.
func laterRelay(r *trial, from, to *nats.Conn) (passed *atomic.Int64) {
	r.Helper()
	passed = new(atomic.Int64)
	_, err := from.Subscribe("md.>", func(m *nats.Msg) {
		if err := to.Publish(m.Subject, slices.Concat(m.Data, later)); err == nil {
			passed.Add(1)
		}
	})
	if err == nil {
		err = from.Flush()
	}
	if err != nil {
		r.Fatal(err)
	}
	return passed
}

// otherNodes say once, for a minute, how they fare: one of a version that came before revisions, and one of a later version.
func otherNodes(r *trial, nc *nats.Conn) {
	r.Helper()
	for instance, more := range map[string]string{
		"OLD": `"url":"ws://127.0.0.1:9/old"`,
		"NEW": `"revision":9,"sessions":"many","url":["ws://127.0.0.1:9/new"]`,
	} {
		load := fmt.Appendf(nil, `{"instance":%q,"node":%q,"interval_ms":60000,"sent_us":%d,%s}`, instance, instance, time.Now().UnixMicro(), more)
		if err := nc.Publish("feedd.nodes."+instance, load); err != nil {
			r.Fatal(err)
		}
	}
}

// mixedVersions has a publisher, a client, a node and an operator of later versions among those of this one.
func mixedVersions(r *trial) {
	upstream, solo := rig.StartNATS(r), rig.StartNATS(r)
	nc := solo.Connect()
	node := rig.Serve(r, "--sim", "off", "--nats-url", solo.URL(), "--node", "a")
	other := operate(r, rig.Serve(r, "--sim", "off", "--nats-url", solo.URL(), "--node", "b"))
	o := operate(r, node)
	passed := laterRelay(r, upstream.Connect(), nc)
	m := rig.OpenMarket(r, upstream.URL(), rig.MarketOptions{Seed: r.random.Uint64()})
	tape := rig.NewTape()
	c := tape.Follow(r, node.WebSocket(), m.Symbols, client.Options{})
	end := m.Run()

	// A client of a later version: what this one does not know of its requests is passed over, and a request that it does not know refused.
	ping := &feedv1.ClientFrame{Request: &feedv1.ClientFrame_Ping{Ping: &feedv1.Ping{ClientTimeUs: 7}}}
	ping.ProtoReflect().SetUnknown(later)
	ping.GetPing().ProtoReflect().SetUnknown(later)
	if answer, err := c.Request(rig.Deadline(r), ping); err != nil || answer.GetPong() == nil {
		r.Errorf("a ping with more in it: %v, %v", answer, err)
	}
	subscribe := &feedv1.Subscribe{Symbols: m.Symbols, Channels: []string{"quote", "greeks"}, CadenceMs: proto.Uint32(250)}
	subscribe.ProtoReflect().SetUnknown(later)
	answer, err := c.Subscribe(rig.Deadline(r), subscribe)
	if err != nil {
		r.Fatal(err)
	}
	for _, result := range answer.Results {
		if known := result.Channel == "quote"; known != (result.Handle != 0) || !known && result.Code != feedv1.ErrorCode_ERROR_CODE_UNKNOWN_CHANNEL {
			r.Errorf("a subscribe with a channel of a later version: %v", result)
		}
	}
	unknown := &feedv1.ClientFrame{}
	unknown.ProtoReflect().SetUnknown(later)
	if answer, err := c.Request(rig.Deadline(r), unknown); err == nil || !strings.Contains(err.Error(), "UNKNOWN_REQUEST") {
		r.Errorf("a request of a later version: %v, %v", answer, err)
	}

	// A publisher with a channel of a later version, and nodes that speak an older and a later one: counted, and nobody is sent to them.
	if err := nc.Publish("md.crash.A.greeks", later); err != nil {
		r.Fatal(err)
	}
	node.AtLeast("unknown_channel", 1)
	otherNodes(r, nc)
	for state, want := range map[string]float64{"heard": 3, "strange": 2} {
		rig.Eventually(r, "nodes "+state, func() bool { return node.Number(`feedd_nodes{state="`+state+`"}`) == want })
	}

	// A policy of a later version is refused whole, by every node, with the word that is not known.
	o.apply(1)
	other.runs(1)
	js, err := jetstream.New(nc)
	if err != nil {
		r.Fatal(err)
	}
	kv, err := js.KeyValue(rig.Deadline(r), policyBucket)
	if err == nil {
		_, err = kv.PutString(rig.Deadline(r), "current", "tiers: {default: {subscriptions: 2, later: true}}\n")
	}
	if err != nil {
		r.Fatal(err)
	}
	for _, n := range []*operator{o, other} {
		rig.Eventually(r, "the refusal", func() bool { return n.status().Refused != nil })
		if s := n.status(); !strings.Contains(fmt.Sprint(s.Refused), "later") {
			r.Errorf("refused with %v", s.Refused)
		}
		n.runs(1)
	}
	m.Await(100)
	end()
	m.Ends(c, tape)
	if err := c.Err(); err != nil {
		r.Errorf("the client was disconnected: %v", err)
	}
	r.figure("messages with a field of a later version", float64(passed.Load()), "")
	r.figure("of them refused", float64(node.Dropped("malformed_protobuf")+node.Dropped("bad_value")), "")
	r.figure("trades told missing", float64(tape.Lost()), "")
}
