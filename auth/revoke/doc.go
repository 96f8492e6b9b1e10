// Package revoke tells all nodes over NATS that a token, a user or a session has been shut out.
//
// It goes two ways. A plain message on Subject reaches every node that is up within milliseconds, also while JetStream
// elects a leader, which takes seconds. A key-value bucket remembers it for as long as any token could be good, for nodes
// that start or come back later; who watches it hears the same a second time, which does no harm.
//
// Whoever may publish on Subject, or write the bucket, can shut anybody out: NATS permissions should leave that to
// operators and to feedd.
package revoke
