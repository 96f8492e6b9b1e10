package report

import "slices"

// Versus is how many times as much a peer costs as feedd, under the same load in the same run.
type Versus struct {
	CPUPerUpdate float64 `json:"cpu_per_update"`
	// The same in the rounds in which it was least and most.
	Least float64 `json:"cpu_per_update_least"`
	Most  float64 `json:"cpu_per_update_most"`
	// What CPUPerUpdate would be if feedd's frames cost no more than the floor's; 0: there was none.
	ToFloor       float64 `json:"cpu_per_update_to_floor,omitempty"`
	CPUPerSession float64 `json:"cpu_per_session_second"`
	Resident      float64 `json:"resident_per_session"` // garbage collected
	Bytes         float64 `json:"bytes_per_session_second"`
	AgeP99        float64 `json:"age_p99"`
}

// Against sets every peer beside feedd; rounds hold what an update of each cost in every round.
func Against(all map[string]Served, rounds map[string][]float64) map[string]Versus {
	feedd := all["feedd"]
	versus := make(map[string]Versus)
	for name, p := range all {
		if name == "feedd" {
			continue
		}
		var each []float64
		for i, cost := range rounds[name] {
			each = append(each, ratio(cost, rounds["feedd"][i]))
		}
		least, most := 0.0, 0.0
		if len(each) > 0 {
			least, most = slices.Min(each), slices.Max(each)
		}
		versus[name] = Versus{
			Least: least, Most: most,
			CPUPerUpdate:  ratio(p.CPUPerUpdate, feedd.CPUPerUpdate),
			ToFloor:       ratio(p.CPUPerUpdate*feedd.RowsPerFrame, feedd.FloorPerFrame),
			CPUPerSession: ratio(p.CPUPerSession, feedd.CPUPerSession),
			Resident:      ratio(p.CollectedPerSession, feedd.CollectedPerSession),
			Bytes:         ratio(p.BytesPerSession, feedd.BytesPerSession),
			AgeP99:        ratio(float64(p.Age.P99), float64(feedd.Age.P99)),
		}
	}
	return versus
}
