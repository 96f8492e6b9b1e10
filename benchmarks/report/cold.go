package report

import "slices"

// Cold are the figures of instruments that nobody watched until a client asked for them, at a node that carries on demand.
// Times run from a client's request until the instrument's first value is in its model.
type Cold struct {
	// From the stream that records the ticks, and by request from the publisher, where there is no stream.
	Stream  ColdWay `json:"from_stream"`
	Request ColdWay `json:"by_request"`
}

// ColdWay is one way to the state of an instrument.
type ColdWay struct {
	// One instrument a time: cold, and once more by another client while it is carried, which is what a request takes anyway.
	One  Delays `json:"one"`
	Warm Delays `json:"one_already_carried"`
	// Many in one request: until the first and the last of them have a value; means over the rounds.
	Many  int     `json:"many"`
	First float64 `json:"many_first_value_ms"`
	Last  float64 `json:"many_last_value_ms"`
	// What each of them costs the node, from the request to the last value: processor time, and resident memory that it did
	// not have before.
	CPU      float64 `json:"many_cpu_us_per_instrument"`
	Resident float64 `json:"many_resident_bytes_per_instrument"`
	// SourceCPU is the same time of the NATS server and the publisher together.
	SourceCPU float64 `json:"many_source_cpu_us_per_instrument"`
	Compared  int     `json:"values_compared"`
}

// Delays sums up times in milliseconds.
type Delays struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

// DelaysOf sums up times, which it sorts.
func DelaysOf(ms []float64) Delays {
	if len(ms) == 0 {
		return Delays{}
	}
	slices.Sort(ms)
	at := func(share float64) float64 { return ms[min(len(ms)-1, int(share*float64(len(ms))))] }
	return Delays{Count: len(ms), P50: at(0.5), P99: at(0.99), Max: ms[len(ms)-1]}
}
