package ws

import (
	"iter"
	"time"

	"github.com/feedd/feedd/transport/conns"
)

// Stats is a reading of a Server's counts.
type Stats struct {
	conns.Stats
	// DeflatedIn and DeflatedOut are the bytes of the frames that were compressed, before and after. A frame
	// that many connections share counts once.
	DeflatedIn, DeflatedOut uint64
	// DeflateTime is what compressing took, of frames that then went out uncompressed as well.
	DeflateTime time.Duration
	// DeflateHeld is how many frames were not compressed, although that would have paid, since compressing had its share
	// of the processor.
	DeflateHeld uint64
}

// Stats returns the counts of this moment.
func (s *Server) Stats() Stats {
	d := &s.deflate.stats
	st := Stats{
		DeflatedIn: d.in.Load(), DeflatedOut: d.out.Load(), DeflateTime: time.Duration(d.took.Load()), DeflateHeld: d.held.Load(),
	}
	s.conns.Sum(func(there iter.Seq[*Conn]) {
		st.Stats = s.totals.Read()
		for c := range there {
			st.There(c.out.Sent(), c.out.Pending())
			if c.overHTTP2() {
				st.OverHTTP2++
			}
		}
	})
	return st
}
