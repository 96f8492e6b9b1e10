//go:build race

package ws

// tolerated is how many allocations a frame may take under the race detector: its pools forget a part of what they hold, on
// purpose, so that a compressed frame now and then needs another compressor.
func tolerated(d Deflate) float64 {
	if d == DeflateOff {
		return 0
	}
	return 20
}
