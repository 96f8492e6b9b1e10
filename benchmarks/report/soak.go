package report

import "github.com/feedd/feedd/benchmarks/soak"

// Soak are the figures of the scenario of that name: does anything grow while clients of all kinds come and go, and things
// go wrong all the time.
type Soak struct {
	Seconds float64 `json:"seconds"`
	Clients int     `json:"clients"`
	// Slopes of what the server holds, apart from what it holds for each connection, and what they mean.
	Slopes map[string]Grown `json:"slopes"`
	// Faults by kind, how often, and how long it took at worst until every client was back.
	Faults map[soak.Fault]Recovered `json:"faults"`
	// What clients received, how they came and went, and of how many trades they were told that they lack them.
	Frames      int64          `json:"frames"`
	Rows        int64          `json:"rows"`
	Bytes       int64          `json:"bytes"`
	Connects    int64          `json:"connects"`
	Ended       map[string]int `json:"ended"`
	ToldMissing int64          `json:"told_missing"`
	// Dropped is what the server counted, by reason.
	Dropped map[string]float64 `json:"dropped"`
	// What was compared in the end with what was published last.
	Quotes int `json:"quotes_compared"`
	Books  int `json:"books_compared"`
	Tapes  int `json:"tapes_compared"`
	// Left is what the server held before the first client and behind the last one.
	Left map[string]Remains `json:"left"`
}

// Grown is a slope and what it means.
type Grown struct {
	soak.Slope
	Verdict soak.Verdict `json:"verdict"`
}

// Recovered is how often a fault came and how long its traces lasted.
type Recovered struct {
	Times      int     `json:"times"`
	WorstBackS float64 `json:"worst_all_back_s"`
}

// Remains is a figure before the first client and behind the last one.
type Remains struct {
	Before float64 `json:"before"`
	After  float64 `json:"after"`
}
