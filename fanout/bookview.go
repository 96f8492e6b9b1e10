package fanout

import "github.com/feedd/feedd/market"

// newBookView makes the view of a book.
func newBookView(h Handle, id market.InstrumentID, _ market.View) view {
	return &statusView{handle: h, id: id}
}
