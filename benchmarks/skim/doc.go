// Package skim reads of a feed.v1 ServerFrame what a load generator needs of thousands of sessions, without decoding
// it: how many full rows it brings, when it was cut, whether it grants something. It costs some tens of nanoseconds a
// row, a twentieth of what decoding would, so that a storm of joining sessions measures the server and not its
// clients. What it reads it does not judge: that is what probes are for.
package skim
