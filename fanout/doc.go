// Package fanout brings the state of the market to subscribers. Its cost depends on the frames sent,
// never on the rate of ticks: nothing is pushed into subscribers.
package fanout
