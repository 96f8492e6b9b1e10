// Package arrival takes from the kernel when bytes reached a socket. On the loopback interface that is when the other side sends them:
// how long the reader then waits for a processor, which others may have, does not count.
package arrival
