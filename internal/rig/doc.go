// Package rig is what tests hurt feedd with: its processes, NATS servers that can be killed, frozen, cut off and wiped, networks,
// publishers and clients who know what must come out, and a record of figures. Only tests import it.
//
// A test binary that uses it has rig.Main for its TestMain. Everything that it starts ends with its test.
package rig
