package main

import (
	"github.com/feedd/feedd/admin"
	"github.com/feedd/feedd/transport/conns"
	"github.com/feedd/feedd/transport/stream"
)

// clients counts the connections of all transports.
func (s *server) clients() admin.Figures {
	sockets := s.sockets.Stats()
	var all conns.Stats
	var each []admin.Transport
	count := func(name string, st conns.Stats) {
		all.Add(st)
		each = append(each, admin.Transport{Name: name, Open: byHTTP(name, st), Opened: st.Opened, Frames: st.FramesOut, Bytes: st.BytesOut})
	}
	count("websocket", sockets.Stats)
	for way, st := range s.streams.Stats() {
		count(stream.Way(way).String(), st)
	}
	return admin.Figures{
		Connections: all.Open, Blocked: all.Blocked, PendingBytes: all.Pending,
		ConnectionsOpened: all.Opened, ConnectionsClosed: all.Closed, HandshakesRefused: s.gate.Stats().Refused, Stalls: all.Stalls,
		MessagesIn: all.MessagesIn, BytesIn: all.BytesIn, FramesSent: all.FramesOut, BytesSent: all.BytesOut,
		DeflateIn: sockets.DeflatedIn, DeflateOut: sockets.DeflatedOut, DeflateSeconds: sockets.DeflateTime.Seconds(), DeflateHeld: sockets.DeflateHeld,
		Transports: each,
	}
}

// byHTTP tells open connections of a transport apart by the version of HTTP that they began over.
func byHTTP(transport string, st conns.Stats) []admin.OverHTTP {
	if transport == stream.WebTransport.String() {
		return []admin.OverHTTP{{Version: "3", Connections: st.Open}}
	}
	return []admin.OverHTTP{{Version: "1.1", Connections: st.Open - st.OverHTTP2}, {Version: "2", Connections: st.OverHTTP2}}
}
