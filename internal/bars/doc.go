// Package bars makes bars and statistics of an instrument out of its trades. It is plain arithmetic on integers: it
// reads no clock and starts no goroutine. A Set is one instrument; it holds a Series for each of market.Intervals.
//
// Which bar a trade counts in goes by its exchange time, or by its ingest time where the venue gives none. Bars lie
// on the grid of UTC; that of a day on the instrument's Calendar. Within a bar the trades stand in the order in which
// they came: the first one opens it, the last one closes it.
//
// A bar is closed by a trade of a later bar, or a second after its end (Advance). A trade that comes later still
// amends its bar, or puts one in where none was, as long as that is not older than all bars that are held. Where no
// interval holds it the trade is late: it counts nowhere. Nor does one whose time is more than a minute ahead of its
// arrival, or before 3 January 1970: a venue's wrong clock must not carry the series away.
//
// A cancellation or correction mends the bars that its trade counted in: always their volume, turnover and count; open,
// high, low and close only where the log still holds all trades of the bar, else they stay, but that high and low
// take in the corrected price. A bar whose last trade was cancelled is void: it is held with no trades, so that readers
// can be told.
//
// Every change of a Series has a revision. A reader is a Cursor: what it is yet to be told are the bars with later
// revisions than its own.
package bars
