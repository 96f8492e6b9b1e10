package fleet

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

const (
	// maxNodes bounds the others that a node keeps.
	maxNodes = 1024
	// silentAfter is how many intervals without a load make a node gone.
	silentAfter = 3
	// clockOff is from when on a clock is told to be off. Loads take milliseconds, and are sent every two seconds.
	clockOff = time.Second
	// rememberFor is how long a node that fell silent without a word is told of. A day's mishaps are the metrics' to keep.
	rememberFor = 15 * time.Minute
)

// Node is another node as it was heard last.
type Node struct {
	Load
	Heard int64 // in microseconds on this node's clock
	// Offset is how far its clock is ahead of this node's, as its last load has it: its way here makes it smaller.
	Offset time.Duration
	// Namesake: a node with another instance bears the same name, or this node does.
	Namesake bool
}

// Compatible reports whether this node understands what that one says.
func (n *Node) Compatible() bool { return n.Revision == Revision }

// Roster is the other nodes. It belongs to one goroutine; times are in microseconds.
type Roster struct {
	self   Load // instance, name and URL
	nodes  map[string]*Node
	silent map[string]Node // that did not drain, by name; at most maxNodes
	// Beyond is how many loads were refused since there were too many nodes.
	Beyond uint64
}

// NewRoster returns the roster of a node, whose own loads it passes over.
func NewRoster(self Load) *Roster {
	return &Roster{self: self, nodes: make(map[string]*Node), silent: make(map[string]Node)}
}

// Take takes in a load. It reports whether a node is new.
func (r *Roster) Take(l Load, now int64) (isNew bool) {
	if l.Instance == r.self.Instance {
		return false
	}
	n := r.nodes[l.Instance]
	if n == nil {
		if len(r.nodes) >= maxNodes {
			r.Beyond++
			return false
		}
		n = new(Node)
		r.nodes[l.Instance] = n
		delete(r.silent, l.Node) // it is back, or another run of it
		isNew = true
	}
	n.Load, n.Heard, n.Offset = l, now, time.Duration(l.Sent-now)*time.Microsecond
	return isNew
}

// Gone takes off the nodes that are silent, and returns them. Those that did not say that they drain are remembered for a while.
func (r *Roster) Gone(now int64) (gone []Node) {
	for instance, n := range r.nodes {
		if now-n.Heard > silentAfter*n.interval().Microseconds() || now < n.Heard-clockOff.Microseconds() {
			gone = append(gone, *n)
			delete(r.nodes, instance)
			if !n.Draining && len(r.silent) < maxNodes {
				r.silent[n.Node] = *n
			}
		}
	}
	for name, n := range r.silent {
		if now-n.Heard > rememberFor.Microseconds() {
			delete(r.silent, name)
		}
	}
	return gone
}

// Nodes returns the others, by name.
func (r *Roster) Nodes() []Node {
	bearers := map[string]int{r.self.Node: 1}
	for _, n := range r.nodes {
		bearers[n.Node]++
	}
	all := make([]Node, 0, len(r.nodes))
	for _, n := range r.nodes {
		n.Namesake = bearers[n.Node] > 1
		all = append(all, *n)
	}
	slices.SortFunc(all, func(a, b Node) int { return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Instance, b.Instance)) })
	return all
}

// Fleet is what follows from the nodes of a moment. It is not changed once it is made.
type Fleet struct {
	Nodes []Node // the others, by name
	// Silent are those that fell silent without having drained, by name, until they are back or long gone.
	Silent []Node
	// Namesakes and Strangers are how many of them bear a name twice, and speak another revision.
	Namesakes, Strangers int
	// Ahead is the median of how far the clocks of the others are ahead of this node's; ClocksOff how many of them, this
	// node included, are off from the median of all.
	Ahead     time.Duration
	ClocksOff int
	// SelfOff: this node's clock is one of them.
	SelfOff bool
	// SelfNamesake: another node bears this one's name.
	SelfNamesake bool

	self Load
}

// Fleet returns what follows from the nodes of now.
func (r *Roster) Fleet() *Fleet {
	f := &Fleet{Nodes: r.Nodes(), Silent: slices.Collect(maps.Values(r.silent)), self: r.self}
	slices.SortFunc(f.Silent, func(a, b Node) int { return cmp.Compare(a.Node, b.Node) })
	offsets := []time.Duration{0} // this node's own
	for i := range f.Nodes {
		n := &f.Nodes[i]
		if n.Namesake {
			f.Namesakes++
			f.SelfNamesake = f.SelfNamesake || n.Node == r.self.Node
		}
		if !n.Compatible() {
			f.Strangers++
		}
		offsets = append(offsets, n.Offset)
	}
	f.Ahead = median(offsets[1:])
	// Of two nodes that differ nobody can tell which one is wrong: then both are told.
	middle := median(offsets)
	for i, o := range offsets {
		if d := o - middle; d > clockOff || -d > clockOff || len(offsets) == 2 && max(f.Ahead, -f.Ahead) > clockOff {
			f.ClocksOff++
			f.SelfOff = f.SelfOff || i == 0
		}
	}
	return f
}

// median returns the lower one of a list; 0 of none.
func median(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	list = slices.Clone(list)
	slices.Sort(list)
	return list[(len(list)-1)/2]
}

// Alternates returns at most n URLs of other nodes that take clients, in the order in which to try them. The emptier a
// node, the likelier it comes first, so that clients who are told at the same moment spread. random gives numbers from 0 up to 1.
func (f *Fleet) Alternates(n int, random func() float64) []string {
	type candidate struct {
		url  string
		room float64
	}
	var all []candidate
	for i := range f.Nodes {
		l := &f.Nodes[i].Load
		known := func(c candidate) bool { return c.url == l.URL }
		if l.takes() && l.URL != "" && l.URL != f.self.URL && !slices.ContainsFunc(all, known) {
			all = append(all, candidate{l.URL, l.room()})
		}
	}
	var urls []string
	for len(all) > 0 && len(urls) < n {
		sum := 0.0
		for _, c := range all {
			sum += c.room
		}
		at, i := random()*sum, 0
		for i < len(all)-1 && at >= all[i].room {
			at -= all[i].room
			i++
		}
		urls = append(urls, all[i].url)
		all = slices.Delete(all, i, i+1)
	}
	return urls
}

// Able returns how many connections a second the others that take clients can begin, and how many sessions other nodes that
// drain are about to send away.
func (f *Fleet) Able() (able float64, leaving int) {
	for i := range f.Nodes {
		switch l := &f.Nodes[i].Load; {
		case l.takes():
			able += l.able()
		case l.Revision == Revision && l.Draining:
			leaving += max(l.Sessions, 0)
		}
	}
	return able, leaving
}
