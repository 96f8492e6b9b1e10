// Package bystand is clients who are there while others make trouble, and whose only matter is when rows reach them. They publish
// what they follow, so that they know when each tick was published, and they take the time of arrival from the kernel, which notes
// it when the server hands the bytes over: how long their own process then waits for a processor does not count.
//
// They are a process of their own: Run is what that does, and package rig starts it.
package bystand
