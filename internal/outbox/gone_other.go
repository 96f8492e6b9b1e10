//go:build !linux

package outbox

import "time"

// Gone cannot be told here; pings do.
func (c *Conn) Gone(time.Duration) bool { return false }

// Silent cannot be told here.
func (c *Conn) Silent() time.Duration { return 0 }
