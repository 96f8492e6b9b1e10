package faults

import (
	"net/http"
	"time"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/internal/rig"
	"github.com/feedd/feedd/market"
)

func natsKilled(r *trial) {
	c := newCluster(r)
	end := c.market.Run()
	c.sometime()
	began := time.Now()
	c.under.Kill()
	back := c.awaitQuality(market.QualityOK, began)
	r.duration("trusted again", back.Sub(began))
	c.sometime()
	end()
	r.duration("longest silence of quotes", c.viewer.Silence(began, time.Now()))
	c.ends()
}

func natsFrozen(r *trial) {
	c := newCluster(r)
	end := c.market.Run()
	c.sometime()
	began := time.Now()
	c.under.Freeze()
	suspect := c.awaitQuality(market.QualitySuspect, began)
	r.duration("told suspect", suspect.Sub(began))
	r.duration("trusted again", c.awaitQuality(market.QualityOK, suspect).Sub(began))
	c.sometime()
	end()
	r.duration("longest silence of quotes", c.viewer.Silence(began, time.Now()))
	c.ends()
}

// allDown takes every NATS server away for a while.
func allDown(r *trial) {
	c := newCluster(r)
	end := c.market.Run()
	c.sometime()
	began := time.Now()
	for _, s := range c.nats.Servers {
		s.Kill()
	}
	r.duration("told suspect", c.awaitQuality(market.QualitySuspect, began).Sub(began))
	for over := time.After(pick(r, 2*time.Second, time.Minute)); ; {
		answer, err := http.Get(c.feedd.Admin() + "/livez")
		if err != nil {
			r.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			r.Fatalf("not alive: %s", answer.Status)
		}
		select {
		case <-time.After(500 * time.Millisecond):
			continue
		case <-over:
		}
		break
	}
	back := time.Now()
	for _, s := range c.nats.Servers {
		s.Start()
	}
	r.duration("trusted again, from the start of the servers", c.awaitQuality(market.QualityOK, back).Sub(back))
	c.sometime()
	end()
	c.endsWithLosses() // the publisher has a server no more than feedd: what it could not send, and no longer remembers, is gone
}

// natsCutOff has every packet between feedd and its server vanish.
func natsCutOff(r *trial) {
	network := rig.NewNetwork(r)
	hosts := []*rig.Host{network.Host(), network.Host(), network.Host()}
	c := newCluster(r, hosts...)
	end := c.market.Run()
	c.sometime()
	began := time.Now()
	for i, s := range c.nats.Servers {
		if s == c.under {
			hosts[i].Drop(network.Address())
		}
	}
	suspect := c.awaitQuality(market.QualitySuspect, began)
	r.duration("told suspect", suspect.Sub(began))
	r.duration("trusted again", c.awaitQuality(market.QualityOK, suspect).Sub(began))
	c.sometime()
	end()
	for _, h := range hosts {
		h.Mend()
	}
	c.ends()
}

// lameDuck has the server see its clients off.
func lameDuck(r *trial) {
	c := newCluster(r)
	end := c.market.Run()
	c.sometime()
	began := time.Now()
	c.under.LameDuck()
	rig.Eventually(r, "feedd at another server", func() bool { return c.nats.Servers[c.nats.Serving("feedd")] != c.under })
	r.duration("moved", time.Since(began))
	c.sometime()
	end()
	r.duration("longest silence of quotes", c.viewer.Silence(began, time.Now()))
	c.ends()
}

// slowConsumer has feedd read nothing until its NATS server gives it up, where neither the stream nor the publisher can bring all that
// is lost: every trade arrives, or is told missing.
func slowConsumer(r *trial) {
	solo := rig.StartNATS(r, "max_payload: 65536", "max_pending: 262144")
	server := rig.Serve(r, "--sim", "off", "--nats-url", solo.URL())
	m := rig.OpenMarket(r, solo.URL(), rig.MarketOptions{Seed: r.random.Uint64()})
	m.StepEach()
	tape := rig.NewTape()
	viewer := tape.Follow(r, server.WebSocket(), m.Symbols, client.Options{})
	before := server.Footing()
	server.Freeze()
	rig.Eventually(r, "the server to give feedd up", func() bool {
		for range 2000 {
			m.Step()
		}
		return !solo.Has("feedd")
	})
	server.Thaw()
	end := m.Run()
	m.Await(100)
	end()
	m.EndsWith(viewer, tape)
	if tape.Lost() == 0 {
		r.Error("nothing was lost: feedd was not slow")
	}
	r.figure("trades published", float64(sum(m.Trades())), "")
	r.figure("told missing", float64(tape.Lost()), "")
	r.figure("neither received nor told missing", float64(tape.Silent()), "")
	server.AtLeast("missed_ticks", tape.Lost()/len(m.Symbols))
	server.Settles(r, before)
}

func sum(numbers []int64) (total int64) {
	for _, n := range numbers {
		total += n
	}
	return total
}
