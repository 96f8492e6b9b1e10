package report

// Wire is what sizing has to know of both ends of a node.
type Wire struct {
	// Processor time of the server's side of a TLS 1.3 handshake with an ECDSA P-256 certificate, by Go's crypto/tls: in full, and
	// resumed with a ticket.
	Handshake float64 `json:"tls_handshake_cpu_us"`
	Resumed   float64 `json:"tls_resumed_cpu_us"`
	// Ticks as NATS sends them to a subscriber.
	Simulated *Ticks `json:"simulated,omitempty"`
	Recorded  *Ticks `json:"recorded,omitempty"`
}

// Ticks are messages with ticks of all channels. Bytes are those of the client protocol of NATS, subjects and all.
type Ticks struct {
	Ticks      int64   `json:"ticks"`
	Messages   int64   `json:"messages"`
	Bytes      int64   `json:"bytes"`
	PerMessage float64 `json:"ticks_per_message"`
	PerTick    float64 `json:"bytes_per_tick"`
}
