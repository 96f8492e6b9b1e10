package listen

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/feedd/feedd/internal/outbox"
)

// headerWithin bounds the wait for a PROXY header, which a load balancer sends before anything else.
const headerWithin = 5 * time.Second

// Options say what lies on a listener. The zero value is plain TCP.
type Options struct {
	// TLS is nil for none.
	TLS *tls.Config
	// Proxy wants a PROXY header, version 1 or 2, from each connection out of Trusted, and ends those without. (To
	// leave it to them would let clients behind a load balancer that sends none write one of their own.)
	// Connections from elsewhere have none, and one that they send is not HTTP.
	Proxy   bool
	Trusted Networks
}

// On returns l with what the options say. Without any it is l.
func On(l net.Listener, o Options) net.Listener {
	if o.TLS == nil && !o.Proxy {
		return l
	}
	l = outbox.Listener{Listener: l}
	if o.Proxy {
		l = &proxyproto.Listener{Listener: l, ReadHeaderTimeout: headerWithin, ConnPolicy: func(from proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
			if o.Trusted.holds(from.Upstream.String()) {
				return proxyproto.REQUIRE, nil
			}
			return proxyproto.SKIP, nil
		}}
	}
	if o.TLS != nil {
		l = tls.NewListener(l, o.TLS)
	}
	return l
}

// Networks are ranges of addresses.
type Networks []netip.Prefix

// ParseNetworks reads a list such as "10.0.0.0/8, fd00::/8, 192.0.2.7", which may be empty.
func ParseNetworks(list string) (Networks, error) {
	var all Networks
	for text := range strings.SplitSeq(list, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		p, err := netip.ParsePrefix(text)
		if addr, single := netip.ParseAddr(text); single == nil {
			p, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return nil, fmt.Errorf("network %q: want one such as 10.0.0.0/8 or fd00::/8, or an address", text)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

// holds reports whether an address, with or without port, lies in one of the networks.
func (n Networks) holds(address string) bool {
	addr, ok := parseAddress(address)
	if !ok {
		return false
	}
	for _, p := range n {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

func parseAddress(text string) (netip.Addr, bool) {
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at.Addr().Unmap().WithZone(""), true
	}
	addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return addr.Unmap().WithZone(""), err == nil
}
