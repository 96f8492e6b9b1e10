package admin

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/feedd/feedd/internal/drop"
)

// table is every metric, once. docs/metrics.md follows from it, and dashboards and alerts are tested against it.
var table = []metric{
	gauge("build_info", "Always 1; the label names the version.", labels("version"), func(s *scrape, to sink) { to.is(1, s.version) }),

	// Connections.
	gauge("connections", "Open connections of clients.", nil, func(s *scrape, to sink) { to.is(float64(s.Connections)) }),
	gauge("connections_blocked", "Connections with bytes that the kernel does not take yet.", nil,
		func(s *scrape, to sink) { to.is(float64(s.Blocked)) }),
	gauge("send_queue_bytes", "Bytes that wait for the kernel to take them, over all connections.", nil,
		func(s *scrape, to sink) { to.is(float64(s.PendingBytes)) }),
	gauge("transport_connections", "Open connections of clients, by what they run over, and the version of HTTP that they began over (http): a WebSocket of http 2 is a stream of a connection that others share (RFC 8441).", labels("transport", "http"), func(s *scrape, to sink) {
		for _, t := range s.Transports {
			for _, over := range t.Open {
				to.is(float64(over.Connections), t.Name, over.Version)
			}
		}
	}),
	counter("transport_frames_total", "Frames sent to clients, by transport.", labels("transport"), func(s *scrape, to sink) {
		for _, t := range s.Transports {
			to.count(t.Frames, t.Name)
		}
	}),
	counter("transport_bytes_total", "Bytes of frames sent to clients, by transport.", labels("transport"), func(s *scrape, to sink) {
		for _, t := range s.Transports {
			to.count(t.Bytes, t.Name)
		}
	}),
	counter("connections_opened_total", "Connections ever opened.", nil, func(s *scrape, to sink) { to.count(s.ConnectionsOpened) }),
	counter("connections_closed_total", "Connections ended, by close code.", labels("code"), func(s *scrape, to sink) {
		for code, n := range s.ConnectionsClosed {
			to.count(n, strconv.Itoa(int(code)))
		}
	}),
	counter("handshake_rejected_total", "Requests to connect that were refused, by HTTP status.", labels("status"), func(s *scrape, to sink) {
		for status, n := range s.HandshakesRefused {
			to.count(n, strconv.Itoa(status))
		}
	}),
	counter("slow_clients_total", "What happened to clients that take less than they are due: stalled (a frame did not go out at once), "+
		"skipped (a frame was left out, what it held comes later and fresh), contended (the same since an answer was being written at that moment; what it held comes at once), moved_down (all its rows come less often from then on), moved_up (more often again), closed (nothing was taken for the write timeout, or answers were not read).",
		labels("action"), func(s *scrape, to sink) {
			to.count(s.Stalls, "stalled")
			to.count(s.drops.Count(drop.MissedCuts), "skipped")
			to.count(s.drops.Count(drop.ContendedCuts), "contended")
			to.count(s.SlowedDown, "moved_down")
			to.count(s.SpedUp, "moved_up")
			to.count(s.drops.Count(drop.WriteTimeout)+s.drops.Count(drop.ControlOverflow), "closed")
		}),
	counter("messages_received_total", "Messages from clients.", nil, func(s *scrape, to sink) { to.count(s.MessagesIn) }),
	counter("bytes_received_total", "Bytes of messages from clients, decompressed.", nil, func(s *scrape, to sink) { to.count(s.BytesIn) }),

	// Fan-out.
	counter("frames_sent_total", "Frames sent to clients.", nil, func(s *scrape, to sink) { to.count(s.FramesSent) }),
	counter("bytes_sent_total", "Bytes of frames sent to clients.", nil, func(s *scrape, to sink) { to.count(s.BytesSent) }),
	counter("deflate_input_bytes_total", "Bytes of frames that were compressed, before. A frame for many counts once.", nil,
		func(s *scrape, to sink) { to.count(s.DeflateIn) }),
	counter("deflate_output_bytes_total", "The same frames' bytes after.", nil, func(s *scrape, to sink) { to.count(s.DeflateOut) }),
	counter("deflate_seconds_total", "Time that compressing took.", nil, func(s *scrape, to sink) { to.is(s.DeflateSeconds) }),
	counter("deflate_held_frames_total", "Frames that went out as they are, although compressing pays, since it had its share of the processor.", nil,
		func(s *scrape, to sink) { to.count(s.DeflateHeld) }),
	counter("conflated_total", "Ticks merged into a later row, over all clients.", nil,
		func(s *scrape, to sink) { to.count(s.drops.Count(drop.Conflated)) }),
	gauge("subscriptions", "What clients are subscribed to, by the cadence that they were granted.", labels("cadence"), func(s *scrape, to sink) {
		for _, c := range s.Cadences {
			to.is(float64(c.Subscriptions), c.Name)
		}
	}),
	gauge("lanes", "Clients by cadence; one with subscriptions at two counts twice.", labels("cadence"), func(s *scrape, to sink) {
		for _, c := range s.Cadences {
			to.is(float64(c.Lanes), c.Name)
		}
	}),

	// The age of a tick, hop by hop.
	histogramOf("tick_age_seconds", "How long a tick took, by hop: ingest (exchange to here, the newest of each batch), cut (here to the cut, "+
		"the oldest quote of each cut, which at a cadence waits for its beat) and socket (cut to kernel, the most that each frame waited).",
		labels("stage", "cadence"), func(s *scrape, to sink) {
			to.histogram(s.Transit, "ingest", "")
			for _, c := range s.Cadences {
				to.histogram(c.Age, "cut", c.Name)
				to.histogram(c.Flush, "socket", c.Name)
			}
		}),
	histogramOf("cut_lateness_seconds", "How far a cut came behind its beat.", labels("cadence"), func(s *scrape, to sink) {
		for _, c := range s.Cadences {
			to.histogram(c.Late, c.Name)
		}
	}),
	gauge("cut_lateness_max_seconds", "The most that a cut came behind its beat since the start.", nil,
		func(s *scrape, to sink) { to.is(s.CutLatenessMax) }),

	// Ingest.
	counter("ingest_ticks_total", "Ticks applied, by channel.", labels("channel"), func(s *scrape, to sink) {
		for channel, n := range s.Ticks {
			to.count(n, channel)
		}
	}),
	counter("ingest_gaps_total", "What was wrong with the numbers of a feed, by kind: gap (numbers were missing; most are filled later), "+
		"lost (they never came), duplicate (a number came again), epoch (a straggler of an epoch that had ended), resync (a book was rebuilt).",
		labels("kind"), func(s *scrape, to sink) {
			to.count(s.Gaps, "gap")
			to.count(s.drops.Count(drop.MissedTicks), "lost")
			to.count(s.drops.Count(drop.Duplicate), "duplicate")
			to.count(s.drops.Count(drop.StaleEpoch), "epoch")
			to.count(s.drops.Count(drop.BookResync), "resync")
		}),
	counter("ingest_ahead_of_clock_total", "Batches whose newest tick was made later than it came, by this machine's clock: a clock is wrong.", nil,
		func(s *scrape, to sink) { to.count(s.AheadOfClock) }),
	gauge("ingest_held_trades", "Trades and changes of books that wait behind a gap to be filled.", nil,
		func(s *scrape, to sink) { to.is(float64(s.Held)) }),
	gauge("ingest_last_tick_timestamp_seconds", "When the last tick came in; 0: none yet.", nil, func(s *scrape, to sink) { to.is(s.LastTick) }),
	gauge("instruments", "Instruments known.", nil, func(s *scrape, to sink) { to.is(float64(s.Instruments)) }),
	gauge("sources", "Sources known.", nil, func(s *scrape, to sink) { to.is(float64(s.Sources)) }),
	gauge("sources_suspect", "Sources that are silent beyond their heartbeat, or gone.", nil,
		func(s *scrape, to sink) { to.is(float64(s.SourcesSuspect)) }),
	gauge("source_heard_timestamp_seconds", "When a source was last heard, for the first 64 sources; 0: not since the start.", labels("source"),
		func(s *scrape, to sink) {
			for _, src := range s.SourcesHeard {
				to.is(src.Heard, src.Name)
			}
		}),
	gauge("source_suspect", "1 while what comes of a source is not to be believed, for the first 64 sources.", labels("source"),
		func(s *scrape, to sink) {
			for _, src := range s.SourcesHeard {
				to.is(truth(src.Suspect), src.Name)
			}
		}),
	counter("source_rivals_total", "Heartbeats of another publisher under the name of a source, refused or mixed with its own, for the first 64 sources.", labels("source"),
		func(s *scrape, to sink) {
			for _, src := range s.SourcesHeard {
				to.count(src.Rivals, src.Name)
			}
		}),
	gauge("nats_connected", "1 while the connection to NATS stands.", nil, func(s *scrape, to sink) { to.is(truth(s.NATSConnected)) }),
	gauge("stream_records", "1 while a stream records every channel of the ticks, from which gaps are filled; looked at every 5 s.", nil, func(s *scrape, to sink) { to.is(truth(s.StreamRecords)) }),
	counter("nats_reconnects_total", "How often the connection to NATS came back.", nil, func(s *scrape, to sink) { to.count(s.NATSReconnects) }),

	gauge("nodes", "Other nodes on the same NATS: heard (all of them), draining, silent (not heard any more for up to 15 minutes, and they did not drain), strange (they speak another revision, and no client is sent to them), namesakes (they share a name), clock_off (their clock, or this node's, is more than 1 s off the median of all).",
		labels("state"), func(s *scrape, to sink) {
			to.is(float64(s.Nodes), "heard")
			to.is(float64(s.NodesDraining), "draining")
			to.is(float64(s.NodesStrange), "strange")
			to.is(float64(s.NodesSilent), "silent")
			to.is(float64(s.NodesNamesakes), "namesakes")
			to.is(float64(s.NodesClockOff), "clock_off")
		}),
	gauge("clock_behind_seconds", "How far this node's clock is behind the median of the other nodes', less what their messages take; below 0: ahead.", nil,
		func(s *scrape, to sink) { to.is(s.ClockBehind) }),
	gauge("interest_instruments", "With --interest demand: instruments by how far they are carried: held (by clients), subscribed (on NATS; those that linger included), waiting (their state is on its way).",
		labels("state"), func(s *scrape, to sink) {
			to.is(float64(s.InterestHeld), "held")
			to.is(float64(s.InterestCarried), "subscribed")
			to.is(float64(s.InterestWaiting), "waiting")
		}),
	counter("interest_subscriptions_total", "With --interest demand: subscriptions of instruments on NATS, by what happened: made, dropped.", labels("action"),
		func(s *scrape, to sink) {
			to.count(s.InterestMade, "made")
			to.count(s.InterestDropped, "dropped")
		}),
	histogramOf("interest_cold_start_seconds", "With --interest demand: from the first client that asked for an instrument to its state. The count is that of cold starts.", nil,
		func(s *scrape, to sink) { to.histogram(s.ColdStarts) }),

	gauge("policy_rev", "Revision of the throttle policy in force.", nil, func(s *scrape, to sink) { to.is(float64(s.PolicyRevision)) }),
	gauge("policy_stale", "1 while the source of policies cannot be reached or has lost its policy, and the last good copy is in force.", nil,
		func(s *scrape, to sink) { to.is(truth(s.PolicyStale)) }),
	gauge("policy_refused", "1 while the source holds a policy that this node does not take, and the one before is in force.", nil,
		func(s *scrape, to sink) { to.is(truth(s.PolicyRefused)) }),

	// Load.
	gauge("admission_state", "The gravest measure against overload: 0 none, 1 new connections are refused, 2 rows come less often, 3 sessions of the "+
		"least important tiers are ended.", nil, func(s *scrape, to sink) { to.is(float64(s.Admission)) }),
	gauge("admission_refusing", "1 while new connections are refused for overload: in states 1 and 3, and in state 2 until slower rows have made room.", nil,
		func(s *scrape, to sink) { to.is(truth(s.Refusing)) }),
	gauge("memory_live_bytes", "Memory that no collection can free: live objects and stacks.", nil, func(s *scrape, to sink) { to.is(s.MemoryLive) }),
	gauge("memory_limit_bytes", "The limit that it is measured by; 0: there is none.", nil, func(s *scrape, to sink) { to.is(s.MemoryLimit) }),
	gauge("processor_ratio", "Processor time of the last second as a share of what the process may have.", nil,
		func(s *scrape, to sink) { to.is(s.ProcessorShare) }),
	gauge("accepts_per_second_max", "The most connections that began in a second since the start; the window to come back in follows from it.", nil,
		func(s *scrape, to sink) { to.is(s.AcceptsMax) }),
	gauge("draining", "1 once the node sees its clients off.", nil, func(s *scrape, to sink) { to.is(truth(s.Draining)) }),

	// Checkpoints and certificates.
	gauge("checkpoint_timestamp_seconds", "When the last checkpoint that could be written was begun; 0: none yet.", nil,
		func(s *scrape, to sink) { to.is(s.CheckpointTime) }),
	gauge("checkpoint_duration_seconds", "How long the last checkpoint took to write.", nil, func(s *scrape, to sink) { to.is(s.CheckpointTook) }),
	gauge("checkpoint_size_bytes", "How large the last checkpoint is.", nil, func(s *scrape, to sink) { to.is(float64(s.CheckpointBytes)) }),
	gauge("tls_cert_not_after_seconds", "When the certificate in use expires; 0: no TLS.", nil,
		func(s *scrape, to sink) { to.is(s.CertificateNotAfter) }),
	gauge("tls_certificate_refused", "1 while the certificate on disk cannot be used, and the one before stays.", nil,
		func(s *scrape, to sink) { to.is(truth(s.CertificateRefused)) }),

	counter("dropped_total", "What was refused, discarded, merged or lost, by reason.", labels("reason"), func(s *scrape, to sink) {
		for r := range drop.Reasons {
			to.count(s.drops.Count(r), r.String())
		}
	}),
}

func labels(names ...string) []string { return names }

func newMetric(name, help string, labels []string, kind prometheus.ValueType, take func(*scrape, sink)) metric {
	return metric{name, help, labels, take, kind, prometheus.NewDesc("feedd_"+name, help, labels, nil)}
}

func gauge(name, help string, labels []string, take func(*scrape, sink)) metric {
	return newMetric(name, help, labels, prometheus.GaugeValue, take)
}

func counter(name, help string, labels []string, take func(*scrape, sink)) metric {
	return newMetric(name, help, labels, prometheus.CounterValue, take)
}

func histogramOf(name, help string, labels []string, take func(*scrape, sink)) metric {
	return newMetric(name, help, labels, prometheus.UntypedValue, take)
}

func truth(on bool) float64 {
	if on {
		return 1
	}
	return 0
}
