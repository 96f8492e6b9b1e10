// Package crowd is some hundred clients of which each decodes and checks everything (internal/client), and which live as
// clients do: they come and go, hang, read slowly, lose their connections and come back, and resume where they were.
//
// It is the oracle of a soak. Each client holds what it is told against the rules of the protocol, against the relation
// that every quote of package feed obeys, and, across its connections, against what it was told before: no position goes
// back. In the end each must hold what was published last.
//
// Package load is the crowd where numbers matter and nothing may go wrong; this one is for when things do.
package crowd
