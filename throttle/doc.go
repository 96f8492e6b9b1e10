// Package throttle decides what a subscription is given: it turns a wish into a grant under the limits
// in force. Everything here is a pure function of its arguments; no clock, no goroutine, no I/O.
//
// Delivery runs on a small ladder of cadences rather than at arbitrary intervals, because subscribers of
// one cadence share their cuts: what is encoded and often what is assembled and compressed. A wish for
// any other rate is rounded to the ladder, and the grant says so.
package throttle
