// Package floor is the least that a fan-out server can cost: it writes frames of a given size to a given
// number of sockets at a given pace, and does nothing else. What it costs is the kernel's work, on this
// machine, now; a real server is measured as a multiple of it.
//
// Its sockets carry the options of feedd's, its writes are as many and as large, and they come at
// the same places within the interval as feedd's cuts. One thread writes them all with non-blocking write(2).
package floor
