package main

import (
	"maps"

	"github.com/feedd/feedd/admin"
	"github.com/feedd/feedd/transport/stream"
)

// clients counts the connections of all transports.
func (s *server) clients() admin.Figures {
	sockets := s.sockets.Stats()
	f := admin.Figures{
		Connections: sockets.Open, Blocked: sockets.Blocked, PendingBytes: sockets.Pending,
		ConnectionsOpened: sockets.Opened, ConnectionsClosed: maps.Clone(sockets.Closed), HandshakesRefused: s.gate.Stats().Refused, Stalls: sockets.Stalls,
		MessagesIn: sockets.MessagesIn, BytesIn: sockets.BytesIn, FramesSent: sockets.FramesOut, BytesSent: sockets.BytesOut,
		DeflateIn: sockets.DeflatedIn, DeflateOut: sockets.DeflatedOut, DeflateSeconds: sockets.DeflateTime.Seconds(), DeflateHeld: sockets.DeflateHeld,
		Transports: []admin.Transport{{Name: "websocket", Open: sockets.Open, Opened: sockets.Opened, Frames: sockets.FramesOut, Bytes: sockets.BytesOut}},
	}
	for way, st := range s.streams.Stats() {
		f.Connections += st.Open
		f.Blocked += st.Blocked
		f.PendingBytes += st.Pending
		f.ConnectionsOpened += st.Opened
		f.Stalls += st.Stalls
		f.MessagesIn += st.MessagesIn
		f.BytesIn += st.BytesIn
		f.FramesSent += st.FramesOut
		f.BytesSent += st.BytesOut
		for code, n := range st.Closed {
			f.ConnectionsClosed[code] += n
		}
		f.Transports = append(f.Transports, admin.Transport{
			Name: stream.Way(way).String(), Open: st.Open, Opened: st.Opened, Frames: st.FramesOut, Bytes: st.BytesOut,
		})
	}
	return f
}
