package faults

// clientRows are those of clients and of the machine that a node runs on.
var clientRows = []row{
	{
		number: 11, fault: "feedd killed",
		expected: "clients reconnect with jitter to another node, and resume or get a snapshot",
		not:      "not yet",
	},
	{
		number: 12, fault: "feedd drained by SIGTERM",
		expected: "every client is told when to come back, in slices; the exit is clean and in time, no connection ends without a word",
		not:      "not yet",
	},
	{
		number: 14, fault: "a slow client, 100 kbit/s",
		expected: "rows are conflated, memory stays flat, others notice nothing",
		not:      "not yet",
	},
	{
		number: 15, fault: "a stuck client, which reads nothing",
		expected: "closed at its timeout; little is queued in the kernel",
		not:      "not yet",
	},
	{
		number: 16, fault: "a tenth of all clients stuck",
		expected: "the others stay fresh, memory is bounded",
		not:      "not yet",
	},
	{
		number: 17, fault: "a half-open connection, whose peer vanished",
		expected: "gone within 20 s",
		not:      "not yet",
	},
	{
		number: 18, fault: "10,000 clients reconnect at once",
		expected: "the rate of accepts is capped, refusals say when to come back, those who are there notice nothing",
		not:      "not yet",
	},
	{
		number: 19, fault: "10,000 snapshots asked for at once",
		expected: "encoded once, shared, bounded",
		not:      "not yet",
	},
	{
		number: 20, fault: "clients that reconnect without any pause",
		expected: "admission protects the others",
		not:      "not yet",
	},
	{
		number: 21, fault: "malformed, unknown and truncated requests",
		expected: "an error or a close code, no panic, no leak",
		not:      "not yet",
	},
	{
		number: 22, fault: "a frame whose length has its top bit set",
		expected: "that connection ends with 1002, others go on",
		not:      "not yet",
	},
	{
		number: 23, fault: "oversize frames, and frames that are declared and never come",
		expected: "1009, or the deadline; memory is bounded",
		not:      "not yet",
	},
	{
		number: 24, fault: "a deflate bomb",
		expected: "stopped at the limit, 1009",
		not:      "not yet",
	},
	{
		number: 25, fault: "invalid UTF-8, reserved bits, floods of fragments and pings",
		expected: "the right close code, processor time is bounded",
		not:      "not yet",
	},
	{
		number: 26, fault: "handshakes that never end",
		expected: "cut within 5 s, descriptors are free again",
		not:      "not yet",
	},
	{
		number: 27, fault: "floods of subscriptions and of symbols",
		expected: "refused with a reason; maps are bounded, and what is unsubscribed is freed",
		not:      "not yet",
	},
	{
		number: 36, fault: "a full or read-only disk under checkpoints and policy",
		expected: "logged and counted, serving goes on, the old file stays whole",
		not:      "not yet",
	},
	{
		number: 37, fault: "no descriptors left",
		expected: "accepting waits, the admin port still answers, and all recovers",
		not:      "not yet",
	},
	{
		number: 38, fault: "memory up to its ceiling",
		expected: "load is shed in its order, and the node does not end",
		not:      "not yet",
	},
	{
		number: 39, fault: "one processor instead of two",
		expected: "rows are conflated more, ages grow slowly, nobody is disconnected",
		not:      "not yet",
	},
	{
		number: 40, fault: "a TLS certificate rotated, and a broken one",
		expected: "new handshakes get the new one; with a broken one the old stays, and an alarm says so",
		not:      "not yet",
	},
	{
		number: 41, fault: "a token that expires or is revoked",
		expected: "warned and renewed without a break, or ended with 4401; revoked within a second",
		not:      "not yet",
	},
	{
		number: 44, fault: "half an hour of all of it",
		expected: "no growth of goroutines, heap or descriptors",
		not:      "not yet",
	},
}
