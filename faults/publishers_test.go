package faults

import (
	"strings"
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

// twoPublishers has a second publisher take the name of one that goes on: with a larger epoch, and then with the same.
func twoPublishers(r *trial) {
	solo := rig.StartNATS(r)
	server := rig.Serve(r, "--sim", "off", "--nats-url", solo.URL())
	old := rig.OpenMarket(r, solo.URL(), rig.MarketOptions{Seed: r.random.Uint64(), Epoch: 1000})
	old.StepEach()
	tape := rig.NewTape()
	viewer := tape.Follow(r, server.WebSocket(), old.Symbols, client.Options{})
	endOld := old.Run()
	old.Await(50)

	// The newer one begins where the old one will never be, so that a value of the old one would show.
	began := time.Now()
	ahead := old.Trades()
	for i := range ahead {
		ahead[i] += 1_000_000
	}
	young := rig.OpenMarket(r, solo.URL(), rig.MarketOptions{Seed: r.random.Uint64(), Epoch: 2000, Trades: ahead})
	young.StepEach()
	if err := viewer.Await(rig.Deadline(r), young.Seen); err != nil {
		r.Fatal(err)
	}
	r.duration("the newer one counts", time.Since(began))
	rivals := `feedd_source_rivals_total{source="crash"}`
	rig.Eventually(r, "the alarm", func() bool { return server.Number(rivals) > 2 })
	r.duration("alarm", time.Since(began))
	endYoung := young.Run()
	young.Await(100)
	endYoung()
	if err := viewer.Await(rig.Deadline(r), young.Seen); err != nil {
		r.Fatal(err)
	}
	endOld()
	mixed := 0
	for _, w := range tape.Wrong() {
		if strings.Contains(w, "quote") { // bids went back: the old one was let through
			mixed++
			r.Error(w)
		}
	}
	r.figure("values of the old one among those of the newer", float64(mixed), "")

	// With the same epoch ticks cannot be told apart.
	twin := time.Now()
	other := rig.OpenMarket(r, solo.URL(), rig.MarketOptions{Seed: r.random.Uint64(), Epoch: 2000, Trades: young.Trades()})
	rig.Eventually(r, "word that they are mixed", func() bool {
		for _, told := range tape.Told("crash", twin) {
			if told.Quality == market.QualitySuspect && strings.Contains(told.Reason, "two publishers") {
				r.duration("told suspect, with one epoch for both", told.At.Sub(twin))
				return true
			}
		}
		return false
	})
	other.Conn.Close() // it does not say goodbye: the other goes on under that name
	rig.Eventually(r, "trust", func() bool {
		told := tape.Told("crash", twin)
		return told[len(told)-1].Quality == market.QualityOK
	})
}

// clocksOff has publishers whose clocks are an hour ahead and behind.
func clocksOff(r *trial) {
	solo := rig.StartNATS(r)
	rig.Record(r, solo.Connect(), 1)
	server := rig.Serve(r, "--sim", "off", "--nats-url", solo.URL())
	for _, skew := range []time.Duration{time.Hour, -time.Hour} {
		venue := "fast"
		if skew < 0 {
			venue = "slow"
		}
		m := rig.OpenMarket(r, solo.URL(), rig.MarketOptions{Seed: r.random.Uint64(), Venue: venue, Skew: skew})
		m.StepEach()
		v := rig.View(r, m.Symbols, rig.ViewerOptions{URLs: []string{server.WebSocket()}, Cadence: 100 * time.Millisecond})
		ahead := server.Number("feedd_ingest_ahead_of_clock_total")
		began := time.Now()
		end := m.Run()
		m.Await(300)
		end()
		m.Ends(v.Connected(), v.Tape)
		if told := v.Told(venue, began); len(told) > 0 && told[len(told)-1].Quality != market.QualityOK {
			r.Errorf("%s: %+v", venue, told)
		}
		r.duration(venue+": longest silence", v.Silence(began, time.Now()))
		if got := server.Number("feedd_ingest_ahead_of_clock_total") - ahead; (got > 0) != (skew > 0) {
			r.Errorf("%s: %v ticks were counted as ahead of the clock", venue, got)
		}
	}
}
