package fanout

import "github.com/feedd/feedd/market"

// newBarView makes the view of an instrument's bars.
func newBarView(h Handle, id market.InstrumentID, _ market.View) view {
	return &statusView{handle: h, id: id}
}

// newStatsView makes the view of an instrument's statistics.
func newStatsView(h Handle, id market.InstrumentID) view { return &statusView{handle: h, id: id} }

// newSummaryView makes the view that sums up an instrument's trades.
func newSummaryView(h Handle, id market.InstrumentID) view { return &statusView{handle: h, id: id} }
