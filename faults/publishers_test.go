package faults

import (
	"time"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/internal/rig"
	"github.com/feedd/feedd/market"
)

// publisherRestarts ends a publisher in good order, and without, and starts it again each time, counting anew.
func publisherRestarts(r *trial) {
	solo := rig.StartNATS(r)
	rig.Record(r, solo.Connect(), 1)
	server := rig.Serve(r, "--sim", "off", "--nats-url", solo.URL())
	epoch := market.Epoch(1000)
	m := rig.OpenMarket(r, solo.URL(), rig.MarketOptions{Seed: r.random.Uint64(), Epoch: epoch})
	m.StepEach()
	tape := rig.NewTape()
	viewer := tape.Follow(r, server.WebSocket(), m.Symbols, client.Options{})
	before := server.Footing()
	for range pick(r, 2, 5) {
		end := m.Run()
		m.Await(20 + r.random.IntN(100))
		end()
		m.Close()
		epoch++
		began := time.Now()
		m = rig.OpenMarket(r, solo.URL(), rig.MarketOptions{Seed: r.random.Uint64(), Epoch: epoch, Trades: m.Trades()})
		m.StepEach()
		if err := viewer.Await(rig.Deadline(r), m.Seen); err != nil {
			r.Fatal(err)
		}
		r.duration("fresh again", time.Since(began))
	}
	m.Ends(viewer, tape)
	r.figure("wrong values", float64(len(tape.Wrong())), "")
	server.Settles(r, before)
}
