package extendedconnect

import "os"

func init() {
	const announce = "http2xconnect=1"
	if was := os.Getenv("GODEBUG"); was != "" {
		_ = os.Setenv("GODEBUG", was+","+announce) // fails for names and values with zero bytes, which this one has not
		return
	}
	_ = os.Setenv("GODEBUG", announce)
}
