package sizing

import (
	"math"
	"slices"

	"github.com/feedd/feedd/internal/overload"
)

// Outcome is what a case came to. Times are seconds.
type Outcome struct {
	Name  string `json:"name"`
	Setup Setup  `json:"setup"`
	// Hit is how often a client was cut off; the percentiles are of the times until it was live and fresh again, -1 where it was
	// still away when patience was over.
	Hit        int     `json:"cut_off"`
	P50        float64 `json:"away_p50_s"`
	P95        float64 `json:"away_p95_s"`
	P99        float64 `json:"away_p99_s"`
	All        float64 `json:"away_max_s"`
	Took       float64 `json:"case_s"` // from the first trouble until all were live, or patience was over
	Out        int     `json:"still_away"`
	Attempts   int     `json:"attempts"`
	Handshakes float64 `json:"handshakes_per_s_node_max"`
	Joins      float64 `json:"joins_per_s_max"` // of the fleet
	// Refusals are attempts that came to nothing, by reason.
	Refusals map[string]int `json:"refusals"`
	Shed     int            `json:"shed"`
	Late     float64        `json:"cut_late_max_s"` // of those who were live all the time
	Level    string         `json:"overload_level_max"`
	// Series has a value for each second.
	Series Series `json:"series"`

	away        []float64
	start       float64
	level       overload.Level
	begun, late float64 // of this second
}

// Series is a case by seconds.
type Series struct {
	Live       []float64 `json:"live_share"`
	Handshakes []float64 `json:"handshakes_per_s_busiest_node"`
	Late       []float64 `json:"cut_late_s"`
}

func newOutcome(name string, u Setup) *Outcome {
	return &Outcome{Name: name, Setup: u, Refusals: make(map[string]int)}
}

func (o *Outcome) refused(why string) { o.Refusals[why]++ }

func (o *Outcome) look(begun, late float64, l overload.Level) {
	o.begun, o.late, o.level = max(o.begun, begun), max(o.late, late), max(o.level, l)
}

// second ends one.
func (o *Outcome) second(s *sim) {
	o.Series.Live = append(o.Series.Live, float64(s.count[live])/float64(max(1, s.Clients)))
	o.Series.Handshakes = append(o.Series.Handshakes, o.begun)
	o.Series.Late = append(o.Series.Late, o.late)
	o.Handshakes, o.Late = max(o.Handshakes, o.begun), max(o.Late, o.late)
	o.begun, o.late = 0, 0
}

func (o *Outcome) finish(s *sim) *Outcome {
	o.Took, o.Level, o.Out = s.now-o.start, o.level.String(), s.Clients-s.count[live]
	o.Hit = len(o.away) + o.Out
	for i := range s.clients {
		if s.clients[i].phase != live {
			o.away = append(o.away, math.Inf(1))
		}
	}
	slices.Sort(o.away)
	o.P50, o.P95, o.P99, o.All = o.at(0.5), o.at(0.95), o.at(0.99), o.at(1)
	return o
}

func (o *Outcome) at(share float64) float64 {
	if len(o.away) == 0 {
		return 0
	}
	if v := o.away[int(math.Ceil(share*float64(len(o.away))))-1]; !math.IsInf(v, 1) {
		return v
	}
	return -1
}
