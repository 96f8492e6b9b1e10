package rig

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Proxy carries TCP to an address and can be made slow or broken.
type Proxy struct {
	t     testing.TB
	proxy *toxiproxy.Proxy
}

// NewProxy starts one to upstream, a host and port.
func NewProxy(t testing.TB, upstream string) *Proxy {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := &Proxy{t: t, proxy: toxiproxy.NewProxy(server, "rig", "127.0.0.1:0", upstream)}
	if err := p.proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.proxy.Stop)
	return p
}

// Address is where it takes connections.
func (p *Proxy) Address() string { return p.proxy.Listen }

// Cut breaks every connection and takes none until Restore.
func (p *Proxy) Cut() { p.proxy.Stop() }

// Restore takes connections again.
func (p *Proxy) Restore() {
	p.t.Helper()
	if err := p.proxy.Start(); err != nil {
		p.t.Fatal(err)
	}
}

// Latency delays what comes from upstream.
func (p *Proxy) Latency(by time.Duration) {
	p.t.Helper()
	p.add("downstream", "latency", map[string]any{"latency": by.Milliseconds()})
}

// Bandwidth lets at most so many KB a second through from upstream.
func (p *Proxy) Bandwidth(kilobytes int) {
	p.t.Helper()
	p.add("downstream", "bandwidth", map[string]any{"rate": kilobytes})
}

// BlackHole has everything vanish in both directions, without a word to either side.
func (p *Proxy) BlackHole() {
	p.t.Helper()
	for _, stream := range []string{"upstream", "downstream"} {
		p.add(stream, "timeout", map[string]any{"timeout": 0})
	}
}

// Heal ends what was done to the traffic.
func (p *Proxy) Heal() { p.proxy.Toxics.ResetToxics(p.t.Context()) }

func (p *Proxy) add(stream, kind string, attributes map[string]any) {
	p.t.Helper()
	toxic, err := json.Marshal(map[string]any{"type": kind, "name": kind + "_" + stream, "stream": stream, "toxicity": 1.0, "attributes": attributes})
	if err == nil {
		_, err = p.proxy.Toxics.AddToxicJson(bytes.NewReader(toxic))
	}
	if err != nil {
		p.t.Fatal(err)
	}
}
