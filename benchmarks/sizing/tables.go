package sizing

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
)

// tables of the document, by name.
func (st *Study) tables() map[string]func(io.Writer) {
	return map[string]func(io.Writer){
		"buy": st.buyTable, "basis": st.basisTable, "session": st.sessionTable, "drivers": st.driversTable, "fleets": st.fleetsTable,
		"universes": st.universesTable, "validation": st.validationTable, "waves": st.wavesTable, "cases": st.casesTable, "back": st.backTable,
	}
}

// WriteTables writes all of them.
func (st *Study) WriteTables(w io.Writer) error {
	var b bytes.Buffer
	all := st.tables()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "%s\n\n", name)
		all[name](&b)
		fmt.Fprintln(&b)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// Renew returns the document with its tables as they are now: each stands between a line "<!-- table NAME -->" and a
// line "<!-- end -->".
func (st *Study) Renew(doc []byte) ([]byte, error) {
	all := st.tables()
	var out bytes.Buffer
	for rest := string(doc); ; {
		head, tail, found := strings.Cut(rest, "<!-- table ")
		out.WriteString(head)
		if !found {
			break
		}
		name, tail, found1 := strings.Cut(tail, " -->\n")
		_, after, found2 := strings.Cut(tail, "<!-- end -->")
		write := all[name]
		if !found1 || !found2 || write == nil {
			return nil, fmt.Errorf("table %q: want one of %s, and <!-- end --> behind it", name, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
		}
		delete(all, name)
		fmt.Fprintf(&out, "<!-- table %s -->\n", name)
		write(&out)
		out.WriteString("<!-- end -->")
		rest = after
	}
	if len(all) > 0 {
		return nil, fmt.Errorf("no place for the tables %s", strings.Join(slices.Sorted(maps.Keys(all)), ", "))
	}
	return out.Bytes(), nil
}

func row(w io.Writer, cells ...string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }

func head(w io.Writer, cells ...string) {
	row(w, cells...)
	fmt.Fprintln(w, "|"+strings.Repeat("---|", len(cells)))
}

// scaled writes a value with the prefix that fits, to three digits.
func scaled(v float64, unit string) string {
	prefixes := []struct {
		from   float64
		prefix string
	}{{1e15, "P"}, {1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}, {1, ""}, {1e-3, "m"}, {1e-6, "µ"}, {1e-9, "n"}}
	switch unit {
	case "×":
		return fmt.Sprintf("%.2f ×", v)
	case "s":
		prefixes = prefixes[5:]
	}
	for _, p := range prefixes {
		if math.Abs(v) >= p.from {
			return digits(v/p.from) + " " + p.prefix + unit
		}
	}
	return digits(v) + " " + unit
}

func digits(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return trim(fmt.Sprintf("%.1f", v))
	}
	return trim(fmt.Sprintf("%.2f", v))
}

// trim takes zeros off the end of a decimal fraction.
func trim(text string) string { return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") }

func whole(v float64) string {
	text := fmt.Sprintf("%.0f", math.Round(v))
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func percent(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }

func (st *Study) basisTable(w io.Writer) {
	head(w, "what", "figure", "", "from")
	for _, f := range st.Basis {
		row(w, f.Name, scaled(f.Value, f.Unit), f.Kind, f.From)
	}
}

func (st *Study) sessionTable(w io.Writer) {
	n := st.Need
	head(w, "a session of the mix, on average", "")
	row(w, "subscriptions", digits(n.Symbols))
	row(w, "frames a second, rows in each", digits(n.Frames)+", "+digits(n.Rows))
	row(w, "egress as WebSocket frames; with TCP, IP and Ethernet", scaled(n.Bytes, "B/s")+"; "+scaled(n.Wire, "B/s"))
	row(w, "CPU", scaled(n.CPU, "s")+" a second")
	row(w, "the same while the node slows down", scaled(n.Slowed, "s")+" a second")
	row(w, "memory: resident, and the kernel's with empty queues", scaled(n.Memory, "B")+" + "+scaled(n.Kernel, "B"))
	row(w, "CPU of a join", scaled(n.Join, "s"))
	row(w, "sessions a core, were it full", whole(1/n.CPU))
}

func (st *Study) driversTable(w io.Writer) {
	head(w, "class", "sessions", "of the CPU", "of the egress")
	for _, s := range st.Fleets[0].Cost {
		row(w, s.Class, percent(s.Sessions), percent(s.CPU), percent(s.Egress))
	}
}

// byFleet begins a table with a column for each fleet, and returns what writes a line of it.
func (st *Study) byFleet(w io.Writer) (line func(name string, cell func(Fleet) string)) {
	titles := []string{"clients"}
	for _, f := range st.Fleets {
		titles = append(titles, whole(float64(f.Clients)))
	}
	head(w, titles...)
	return func(name string, cell func(Fleet) string) {
		cells := []string{name}
		for _, f := range st.Fleets {
			cells = append(cells, cell(f))
		}
		row(w, cells...)
	}
}

// tradingDay is how long a day's egress is reckoned, in seconds.
const tradingDay = 8 * 3600

// wave is the time in seconds within which balancers should be able to take everybody back.
const wave = 10

func (st *Study) buyTable(w io.Writer) {
	line := st.byFleet(w)
	line("feedd nodes, a third of them in each of three zones", func(f Fleet) string { return "**" + whole(float64(f.Nodes)) + "**" })
	line("each: cores, memory", func(f Fleet) string { return digits(f.Shape.Cores) + ", " + digits(f.Shape.Bytes/(1<<30)) + " GiB" })
	line("each: network, when a zone is gone", func(f Fleet) string { return scaled(f.EgressNode, "bit/s") })
	line("egress to clients", func(f Fleet) string { return scaled(f.Egress, "bit/s") })
	line("the same, of a trading day of 8 hours", func(f Fleet) string { return scaled(f.Egress/8*tradingDay, "B") })
	line("NATS clusters; out of each", func(f Fleet) string {
		n := max(1, f.Clients/cell)
		return fmt.Sprint(n) + "; " + scaled(f.NATSAll/float64(n), "bit/s")
	})
	line("balancers: cores for TLS, everybody back within 10 s", func(f Fleet) string { return whole(math.Max(1, f.Handshakes/wave)) })
}

func (st *Study) fleetsTable(w io.Writer) {
	line := st.byFleet(w)
	line("nodes", func(f Fleet) string { return whole(float64(f.Nodes)) })
	line("sessions a node; a node less; a zone less", func(f Fleet) string {
		return whole(f.Sessions) + "; " + whole(f.WithoutNode) + "; " + whole(f.WithoutZone)
	})
	line("of its cores: serving and ingest; a node less; a zone less", func(f Fleet) string {
		return percent(f.Full) + "; " + percent(f.FullLostNode) + "; " + percent(f.FullLostZone)
	})
	line("cores of ingest a node", func(f Fleet) string { return digits(f.Ingesting) })
	line("memory a node: a zone less, in a storm, state of the market and kernel included", func(f Fleet) string { return scaled(f.Memory, "B") })
	line("egress of the fleet; of a node, a zone less", func(f Fleet) string { return scaled(f.Egress, "bit/s") + "; " + scaled(f.EgressNode, "bit/s") })
	line("descriptors and conntrack entries a node, a zone less", func(f Fleet) string { return whole(float64(f.Descriptors)) })
	line("balancer addresses towards a node, 55,000 ports each", func(f Fleet) string { return fmt.Sprint(f.SourceAddress) })
	line("joins/s that a node has cores for, a zone less", func(f Fleet) string { return whole(f.JoinRate) })
	line("`admission.rate`: half of that", func(f Fleet) string { return whole(float64(f.AdmissionRate)) })
	line("TLS handshakes of all clients once, at the balancers", func(f Fleet) string { return whole(f.Handshakes) + " core-seconds" })
	line("out of NATS: every node takes all; on demand", func(f Fleet) string { return scaled(f.NATSAll, "bit/s") + "; " + scaled(f.NATSDemand, "bit/s") })
}

func (st *Study) universesTable(w io.Writer) {
	head(w, "instruments, ticks/s", "sessions a node", "looked at on a node: instruments; ticks", "ingest: all; on demand, cores", "state: all; on demand", "out of NATS: all; on demand")
	for _, u := range st.Universes {
		row(w, whole(float64(u.Instruments))+", "+whole(u.Ticks), whole(u.Sessions), percent(u.Wanted)+"; "+percent(u.WantedTicks),
			digits(u.IngestAll)+"; "+digits(u.IngestOnly), scaled(u.MemoryAll, "B")+"; "+scaled(u.MemoryOnly, "B"),
			scaled(u.NATSAll, "bit/s")+"; "+scaled(u.NATSDemand, "bit/s"))
	}
}

func (st *Study) validationTable(w io.Writer) {
	head(w, "case", "measured", "model", "off by")
	for _, c := range st.Validation {
		row(w, c.Name, fmt.Sprintf("%.2f s (%s)", c.Measured, c.From), fmt.Sprintf("%.2f s", c.Model), fmt.Sprintf("%+.1f %%", 100*c.Off))
	}
}

// wavesTable sets the cases of all fleets side by side.
func (st *Study) wavesTable(w io.Writer) {
	titles, clients, names := []string{"until half; 99 %; all are back and fresh, s"}, []int(nil), []string(nil)
	for _, o := range st.Cases {
		if !slices.Contains(names, o.Name) {
			names = append(names, o.Name)
		}
	}
	for _, f := range st.Fleets {
		if st.Case(f.Clients, names[0]) != nil {
			clients = append(clients, f.Clients)
			titles = append(titles, whole(float64(f.Clients))+" on "+fmt.Sprint(f.Nodes))
		}
	}
	head(w, titles...)
	for _, name := range names {
		cells := []string{name}
		for _, n := range clients {
			if o := st.Case(n, name); o != nil {
				cells = append(cells, away(o.P50)+"; "+away(o.P99)+"; "+away(o.All))
			}
		}
		if len(cells) > 1 {
			row(w, cells...)
		}
	}
}

func (st *Study) casesTable(w io.Writer) {
	head(w, "clients, nodes", "case", "cut off", "back and fresh: 50; 95; 99; 100 %, s", "handshakes/s, busiest node", "attempts that failed", "latest cut", "level")
	for _, o := range st.Cases {
		failed := 0
		for _, n := range o.Refusals {
			failed += n
		}
		row(w, whole(float64(o.Setup.Clients))+", "+fmt.Sprint(o.Setup.Nodes), o.Name, whole(float64(o.Hit)),
			away(o.P50)+"; "+away(o.P95)+"; "+away(o.P99)+"; "+away(o.All), whole(o.Handshakes), whole(float64(failed)),
			scaled(o.Late, "s"), o.Level)
	}
}

// away is a time in seconds, or that it never came.
func away(v float64) string {
	if v < 0 {
		return "never"
	}
	return fmt.Sprintf("%.1f", v)
}

func (st *Study) backTable(w io.Writer) {
	head(w, "clients", "fresh again: 50; 95; 100 %, s", "messages a node reads", "out of NATS meanwhile", "whole rows a node then sends")
	for i, b := range st.Back {
		row(w, whole(float64(st.Fleets[i].Clients)), fmt.Sprintf("%.1f; %.1f; %.1f", b.P50, b.P95, b.All), whole(b.Read), scaled(b.Bits, "bit/s"), scaled(b.Bytes, "B"))
	}
}
