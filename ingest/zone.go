package ingest

import (
	"time"
	_ "time/tzdata" // a definition is good or bad whatever the host has installed
)

// maxZones bounds the names that are remembered; there are some 600 in the world.
const maxZones = 1024

// zones remembers which time zones there are, since looking one up reads a file.
type zones map[string]bool

// known reports whether name is an IANA time zone, or empty, which means UTC.
func (z zones) known(name string) bool {
	if name == "" {
		return true
	}
	ok, remembered := z[name]
	if !remembered {
		_, err := time.LoadLocation(name)
		ok = err == nil && name != "Local" // which is another one on each host
		if len(z) < maxZones {
			z[name] = ok
		}
	}
	return ok
}
