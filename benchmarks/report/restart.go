package report

// Restart are the figures of the scenario of that name. Times are in seconds from the start of the process
// until it serves with the state of every instrument; each is the mean over the rounds.
type Restart struct {
	Warm float64 `json:"warm_start_s"` // with the checkpoint, behind a kill -9
	Cold float64 `json:"cold_start_s"` // without one, from the stream alone
	// ColdToWarm is what the checkpoint saves.
	ColdToWarm float64 `json:"cold_to_warm"`
	WarmMax    float64 `json:"warm_start_max_s"`

	CheckpointBytes         int64   `json:"checkpoint_bytes"`
	CheckpointPerInstrument float64 `json:"checkpoint_bytes_per_instrument"`
	// Away is how long the process was dead while ticks went on, which it has to catch up with.
	Away float64 `json:"away_s"`
	// QuotesCompared is how many instruments' quotes were compared with what was published last.
	QuotesCompared int `json:"quotes_compared"`
}

// Restarts computes the figures from the times of the rounds.
func Restarts(warm, cold []float64) *Restart {
	f := &Restart{Warm: mean(warm), Cold: mean(cold)}
	f.ColdToWarm = ratio(f.Cold, f.Warm)
	for _, s := range warm {
		f.WarmMax = max(f.WarmMax, s)
	}
	return f
}

func mean(values []float64) float64 {
	var total float64
	for _, v := range values {
		total += v
	}
	return ratio(total, float64(len(values)))
}
