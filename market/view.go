package market

// View says in which form a channel is subscribed; the zero View is the plain one. Fields that the channel does
// not know are 0.
type View struct {
	Depth    uint8  // book: levels a side, one of Depths; 0: all
	Group    int64  // book: width of a price group in scaled units, as GroupOK has it; 0: levels as they are. Needs a Depth
	Interval uint32 // bar: seconds, one of Intervals
	Summary  bool   // trade: one row a cut that sums up its trades, in place of the trades
	Sizes    uint32 // quote: milliseconds; changes of sizes alone come no more often than this; 0: as often as those of prices
}

// Depths are those at which a book can be subscribed, beside the whole of it.
var Depths = [...]uint8{1, 5, 10, 20, 50, 100}

// Intervals are the lengths of bars in seconds: 1 s, 1 m, 5 m, 15 m, 1 h and 1 d.
var Intervals = [...]uint32{1, 60, 300, 900, 3600, 86400}

// GroupOK reports whether g can be the width of a price group: 0, or 1, 2 or 5 times a power of ten. So the number
// of different views of a book is bounded, whatever clients ask for.
func GroupOK(g int64) bool {
	if g <= 0 {
		return g == 0
	}
	for g%10 == 0 {
		g /= 10
	}
	return g == 1 || g == 2 || g == 5
}
