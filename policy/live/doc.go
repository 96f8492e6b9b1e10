// Package live keeps a node's policy the one that its source has: a YAML file, or a NATS key-value bucket that every node
// watches. It parses and compiles what comes, puts it in force, and leaves the running one where something is wrong.
//
//	File    read again when it changes, and on request (SIGHUP); feedd does not write it
//	Bucket  versions with compare-and-set, 64 of them kept; nodes acknowledge what they run
//
// What is in force is also kept on disk, the last good copy, so that a node starts without its source. A temporary change
// ends on every node by its own clock, whether or not the source can be reached; the first that can writes down that it has.
//
// Keeper.Run is the one goroutine of its own that a Keeper needs, beside that of its source.
package live
