package stream

import (
	"iter"

	"github.com/feedd/feedd/transport/conns"
)

// Stats returns the counts of this moment, by way.
func (s *Server) Stats() (all [Ways]conns.Stats) {
	s.conns.Sum(func(there iter.Seq[*Conn]) {
		for w := range Ways {
			all[w] = s.totals[w].Read()
		}
		for c := range there {
			all[c.way].There(c.out.Sent(), c.out.Pending())
			if c.http == "2" {
				all[c.way].OverHTTP2++
			}
		}
	})
	return all
}

// Resent is how many answers to polls were given once more, since they had not arrived.
func (s *Server) Resent() uint64 { return s.resent.Load() }
