// Package recording reads recorded market data: text files, plain or compressed with gzip, of one event a
// line as the exchange's WebSocket sent it, with the time of its arrival in front:
//
//	1700000000123456789 {"stream":"btcusdt@bookTicker","data":{"u":5,"s":"BTCUSDT","b":"60123.63","B":"2.5","a":"60123.64","A":"0.25"}}
//
// The time is in nanoseconds since the Unix epoch. The streams are those of Binance: bookTicker (the best
// bid and offer), trade, and depth (changes of the book); the answer to a REST request for the book, which
// has no stream around it, is a snapshot. What only the futures exchange sends (event times in bookTicker,
// "pu" in depth) tells the venues "binance" and "binance-usdm" apart.
//
// Numbers become integers without passing through floating point. How many decimals an instrument needs
// is found by reading the file once beforehand, so that a price of "60123.63000000" is 6012363 at scale 2:
//
//	survey, err := recording.SurveyFile(path)
//	...
//	recording.Agree(survey, others...) // one scale for an instrument that several files hold
//	r, err := recording.Open(path, survey)
//	for {
//		err := r.Next(&event) // io.EOF at the end
//	}
//
// A line that is not what it should be ends the reading with an error that names file, line, what was
// found and what was expected: a recording with a hole in it is worth less than one known to be whole.
package recording
