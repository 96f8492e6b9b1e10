package report

// TakenIn are the figures of the scenario ingest: quotes in batches over NATS, and no sessions.
type TakenIn struct {
	// PerSecond is how many ticks a second were taken in, PerCoreSecond how many for each second of CPU: what one core
	// would take in if it did nothing else.
	PerSecond     float64 `json:"ticks_per_s"`
	PerCoreSecond float64 `json:"ticks_per_core_second"`
	PerTick       float64 `json:"cpu_us_per_tick"`
	Cores         float64 `json:"cores"`
	// Lost is how many of those published were not applied.
	Lost float64 `json:"ticks_not_applied"`
}

// Ingested computes the figures of a window without sessions.
func Ingested(w Window) *TakenIn {
	return &TakenIn{
		PerSecond: ratio(float64(w.Ticks), w.Seconds), PerCoreSecond: ratio(float64(w.Ticks), w.cpu()),
		PerTick: ratio(w.cpu()*1e6, float64(w.Ticks)), Cores: ratio(w.cpu(), w.Seconds),
	}
}
