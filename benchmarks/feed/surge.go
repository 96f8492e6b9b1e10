package feed

import "time"

// Surge is a market that now and then runs faster for a second. The zero value never does.
type Surge struct {
	// Factor is how many times as fast.
	Factor float64 `json:"factor,omitempty"`
	// Every is the time from one surge to the next, at least a second. The first one comes when it has gone by.
	Every time.Duration `json:"every,omitempty"`
}

// surging is how long a surge lasts.
const surging = time.Second

// market returns how much of the market's time has gone by after so much real time, and how fast the market runs then.
func (s Surge) market(since time.Duration) (gone time.Duration, speed float64) {
	if s.Factor <= 1 || s.Every < surging {
		return since, 1
	}
	rounds, within := int64(since/s.Every), since%s.Every
	extra := int64((s.Factor - 1) * float64(surging)) // that a surge adds
	gone = since + time.Duration(rounds*extra)
	// The surge is the last second of each round.
	if into := within - (s.Every - surging); into > 0 {
		return gone + time.Duration((s.Factor-1)*float64(into)), s.Factor
	}
	return gone, 1
}
