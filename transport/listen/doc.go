// Package listen stacks what lies between the sockets that clients open and the HTTP server:
//
//	HTTP       the server; WebSockets take the connection over from it
//	TLS        where it is used
//	PROXY      the header with which a load balancer says who its client is, from trusted networks alone
//	outbox     writes that never block
//	Reserve    some descriptors are kept
//	Behind     who is there goes ahead of who comes
//	TCP
//
// and, above HTTP, Forwarded, which believes the same of X-Forwarded-For. Addresses that anybody else claims change
// nothing: limits by address would be the first thing to be talked out of.
package listen
