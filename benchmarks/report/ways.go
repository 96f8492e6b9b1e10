package report

// Ways are the figures of the scenario of that name, by how the protocol is spoken.
type Ways map[string]Way

// Way is what sessions cost that speak the protocol in one way.
type Way struct {
	// CPU of the server for an event, which is a message with rows to one session, in microseconds; what ticks cost without
	// sessions is left out.
	CPU float64 `json:"cpu_us_per_event"`
	// Bytes of an event, as the client's socket gives them; of plain HTTP without what chunks and headers add.
	Bytes float64 `json:"bytes_per_event"`
	// Resident memory of the server for a session, in KB of 1000 bytes.
	Memory float64 `json:"kb_per_session"`
	// Events a second and session. A client that polls takes what there is when it comes.
	Rate float64 `json:"events_per_s"`
	// Beside the first way, times as much.
	CPUTimes    float64 `json:"cpu_times"`
	MemoryTimes float64 `json:"memory_times"`
}

// NewWay makes figures of what was measured: with sessions, without, and how much more memory was resident with them, in bytes.
func NewWay(with, without Window, sessions int, resident int64) Way {
	events := float64(with.Frames)
	idle := without.cpu() / without.Seconds * with.Seconds
	return Way{
		CPU: ratio((with.cpu()-idle)*1e6, events), Bytes: ratio(float64(with.Bytes), events),
		Memory: float64(resident) / 1000 / float64(sessions), Rate: events / with.Seconds / float64(sessions),
	}
}

// Compare sets all beside one of them.
func (w Ways) Compare(base string) Ways {
	first := w[base]
	for name, f := range w {
		f.CPUTimes, f.MemoryTimes = ratio(f.CPU, first.CPU), ratio(f.Memory, first.Memory)
		w[name] = f
	}
	return w
}
