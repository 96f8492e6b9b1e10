package floor

import (
	"fmt"
	"slices"
	"time"
)

// Plan is what to write and when.
type Plan struct {
	// Sockets is how many clients there are; writing begins when all are accepted.
	Sockets int `json:"sockets"`
	// Interval between two frames to one socket.
	Interval time.Duration `json:"interval"`
	// FrameBytes is the size of a frame, its WebSocket header included.
	FrameBytes int `json:"frame_bytes"`
	// Spread is how the sockets are spread over the interval: it is cut into as many slices as there are
	// weights, and a slice gets sockets in proportion to its weight.
	Spread []int64 `json:"spread"`
}

func (p Plan) validate() error {
	var sum int64
	for _, w := range p.Spread {
		if w < 0 {
			return fmt.Errorf("spread: weight %d below 0", w)
		}
		sum += w
	}
	switch {
	case p.Sockets < 1:
		return fmt.Errorf("%d sockets: want at least 1", p.Sockets)
	case p.Interval <= 0:
		return fmt.Errorf("interval %v: want more than 0", p.Interval)
	case p.FrameBytes < 2:
		return fmt.Errorf("frames of %d bytes: a header alone has 2", p.FrameBytes)
	case sum == 0:
		return fmt.Errorf("spread: all weights are 0")
	}
	return nil
}

// Even is the spread of sockets that have nothing to do with each other.
func Even(slices int) []int64 {
	spread := make([]int64, slices)
	for i := range spread {
		spread[i] = 1
	}
	return spread
}

// turn is a run of sockets that are written together.
type turn struct {
	at       time.Duration // since the interval began
	from, to int
}

// turns shares the sockets out over the slices of the plan.
func (p Plan) turns() []turn {
	var sum, sofar int64
	for _, w := range p.Spread {
		sum += w
	}
	var all []turn
	from := 0
	for i, w := range p.Spread {
		sofar += w
		to := int(int64(p.Sockets) * sofar / sum)
		if to > from {
			at := p.Interval * time.Duration(i) / time.Duration(len(p.Spread))
			all = append(all, turn{at: at, from: from, to: to})
		}
		from = to
	}
	return slices.Clip(all)
}
