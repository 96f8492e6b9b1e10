// Package ways is clients of each way to speak the protocol: WebSockets in both forms, an event stream, a response that does not
// end, and polls. They count what comes and look no further, so that what the ways cost a server can be set beside one another.
package ways
