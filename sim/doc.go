// Package sim is a simulated market: a newcomer's first prices, and a load for benchmarks that needs no
// recordings.
//
// Market is the generator. It is pure: it reads no clock, starts no goroutine, and gives the same events
// for the same Config however the time is sliced. What it imitates was measured on recorded markets:
//
//   - activity is unequal: the second instrument ticks half as often as the first, the tenth a tenth
//     (Zipf's law);
//   - ticks come in clusters: about half of the gaps of a busy instrument are under a millisecond, and now
//     and then it is twenty times as busy for a second;
//   - more than nine quotes in ten change a size and no price;
//   - prices walk at random on their grid, and the spread returns to its usual width;
//   - trades, less than a tenth of the ticks, happen at the bid or the ask, several in a row.
//
// The busiest instruments also have a book, hundreds of levels deep for the first few, whose best levels are always
// those of the quote. Now and then a trade is corrected or cancelled, and a share is halted and opens again by an
// auction. Perpetuals and futures state mark price, open interest and the like; everything has a previous close.
//
// Run publishes a Market to NATS in real time, together with test:FAKE, an instrument that moves once a
// second in a way that a test can predict (see Fake).
//
// What happens is drawn with integers only, so that a seed means the same market on every machine.
package sim
