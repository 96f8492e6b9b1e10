// Package deflate measures what compressing frames saves and costs, on recorded market data: the frames that feedd
// would send, wrapped up by its own code with compression off, left to the server, and always on. No server runs.
package deflate
