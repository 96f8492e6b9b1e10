package sizing

import "math"

// The SDK's numbers: clients/js/src/link. testdata/retry.json holds both against each other.
const (
	backoffBase = 0.5  // seconds, the ceiling of the first wait; it doubles
	backoffMost = 20.0 // seconds
	stableAfter = 5.0  // seconds of being live after which failures are forgotten
	patience    = 10.0 // seconds until an attempt without a welcome is given up
	heartbeat   = 5.0  // seconds of silence that the server promises not to exceed
	grace       = 1.0  // seconds borne on top
	// silence is when a client that heard nothing at all gives up a connection. It looks every half heartbeat.
	silence      = 3*heartbeat + grace
	betweenLooks = heartbeat / 2
)

// window is a wait that a server asked for, in seconds.
type window struct{ least, most float64 }

// retryDelay is the SDK's function of that name.
func retryDelay(failures int, asked *window, random func() float64) float64 {
	ceiling := math.Min(backoffMost, backoffBase*math.Pow(2, float64(min(failures, 30))))
	jitter := random() * ceiling
	if asked == nil {
		return jitter
	}
	wait := asked.least + random()*math.Max(0, asked.most-asked.least)
	if failures == 0 {
		return wait
	}
	return math.Max(wait, jitter)
}
