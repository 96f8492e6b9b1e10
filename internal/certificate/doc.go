// Package certificate keeps a TLS certificate and its key in step with two files on disk.
//
// The files are read again every few seconds rather than watched: that works wherever they lie (links that are
// swapped, network disks), and costs two reads of a few kilobytes. New ones count for handshakes from then on;
// connections that stand go on as they are. What cannot be used (a key of another certificate, one that has expired,
// half a file) changes nothing, and is told to the log and in Stats: a rotation that fails must be seen while the old
// certificate is still good.
//
// Own is a certificate that needs no files: for clients that are told its hash rather than trust who signed it.
package certificate
