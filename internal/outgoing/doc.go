// Package outgoing is what an outbox and an outlet, the two things that take frames for a client without waiting, have in common:
// their bounds, what they count, and why they take nothing any more. Whoever serves over both has one of each of these.
package outgoing
