//go:build !unix

package footprint

import "time"

// cpuTime is not measured here: the processor never counts as overloaded.
func cpuTime() time.Duration { return 0 }
