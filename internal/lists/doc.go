// Package lists holds named lists of instruments: an operator writes them into a file, and clients subscribe
// "@majors" where they would else name every instrument.
//
//	majors: [binance:BTCUSDT, "binance:ETH*"]
//	test:
//	  - test:FAKE
//
// An entry is a symbol or a pattern; it need not be known yet. The file is YAML, read strictly: what is not a list of
// symbols is refused with its line. A File can be read again while it is in use; one that is bad then is refused whole,
// and what was there before stays.
package lists
