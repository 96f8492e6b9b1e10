package faults

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/internal/rig"
)

// coldAtOnce is how many instruments that nobody watched are asked for when the server is killed.
const coldAtOnce = 40

// demandKilled kills the NATS server under a node that carries on demand, once more for each person who comes: at the moment at
// which the instruments that this one asks for are being warmed up, and others are watched.
func demandKilled(r *trial) {
	servers := rig.StartCluster(r, 3)
	rig.Record(r, servers.Connect(), 3)
	node := rig.Serve(r, "--sim", "off", "--nats-url", servers.URL(0), "--interest", "demand")
	watched := rig.OpenMarket(r, servers.URL(servers.Heard("feedd")+1), rig.MarketOptions{Seed: r.random.Uint64()})
	watched.StepEach()
	viewers := map[*rig.Market]*rig.Viewer{watched: rig.View(r, watched.Symbols, rig.ViewerOptions{URLs: []string{node.WebSocket()}})}
	before := node.Footing()
	end := watched.Run()
	var warming []float64
	for n := range pick(r, 1, 3) {
		under := servers.Servers[servers.Serving("feedd")]
		cold := openCold(r, servers.URL(servers.Serving("feedd")+1), n)
		watched.Await(50 + r.random.IntN(100))
		known(r, node, viewers, cold)
		viewers[cold] = rig.View(r, cold.Symbols, rig.ViewerOptions{URLs: []string{node.WebSocket()}})
		under.Kill()
		killed := time.Now()
		warming = append(warming, node.Number(`feedd_interest_instruments{state="waiting"}`))
		endCold := cold.Run()
		rig.Eventually(r, "the state of every instrument that is held", func() bool {
			return node.Number("feedd_nats_connected") == 1 && node.Number(`feedd_interest_instruments{state="waiting"}`) == 0
		})
		r.duration("from the kill until all are warm", time.Since(killed))
		cold.Await(50 + r.random.IntN(100))
		endCold()
		under.Start()
		servers.AwaitHealth()
	}
	end()
	if most := slices.Max(warming); most == 0 {
		r.Errorf("no instrument was being warmed up when the server was killed: %v", warming)
	} else {
		r.figure("instruments that were being warmed up", most, "")
	}
	lost := 0
	for m, v := range viewers {
		if m == watched {
			m.EndsWith(v.Connected(), v.Tape)
		} else {
			endsCold(r, m, v)
		}
		lost += v.Lost()
		for _, end := range v.Ends() {
			r.Errorf("a client was disconnected: %v", end.Err)
		}
	}
	r.figure("trades told missing", float64(lost), "")
	if lost != 0 {
		r.Errorf("%d trades are told missing", lost)
	}
	subscribed(r, servers, node, viewers)
	node.Settles(r, before)
}

// endsCold holds that a person has all that was published last, and was told since when each instrument is known: what was before, the stream
// may not have been able to give in time, as it has no leader for a while when a server dies. Behind its first trade none is missing.
func endsCold(r *trial, m *rig.Market, v *rig.Viewer) {
	if err := v.Connected().Await(rig.Deadline(r), m.Seen); err != nil {
		r.Errorf("the client never had all that was published: %v", err)
	}
	for _, wrong := range v.Wrong() {
		if !strings.Contains(wrong, " behind 0, ") { // the first that came
			r.Error(wrong)
		}
	}
	v.Connected().View(func(model *client.Model) {
		for _, symbol := range m.Symbols {
			if s, ok := model.Status(symbol); !ok || s.Since == 0 {
				r.Errorf("%s: nobody says since when it is known: %+v", symbol, s)
			}
		}
	})
	r.figure("trades of the past that the stream did not give in time", float64(v.Silent()), "")
}

// openCold opens a market that nobody looks at yet, each of whose instruments has a past.
func openCold(r *trial, url string, n int) *rig.Market {
	names := make([]string, coldAtOnce)
	for i := range names {
		names[i] = fmt.Sprint("I", i)
	}
	m := rig.OpenMarket(r, url, rig.MarketOptions{Venue: fmt.Sprint("cold", n), Names: names, Seed: r.random.Uint64(), Pace: 5 * time.Millisecond})
	for range 5 {
		m.StepEach()
	}
	return m
}

// known waits until the node's directory has all instruments.
func known(r *trial, node *rig.Process, viewers map[*rig.Market]*rig.Viewer, cold *rig.Market) {
	want := len(cold.Symbols)
	for m := range viewers {
		want += len(m.Symbols)
	}
	rig.Eventually(r, "the directory", func() bool { return int(node.Number("feedd_instruments")) == want })
}

// subscribed holds that the node has a subscription at its new server for each instrument that somebody holds, and none twice.
func subscribed(r *trial, servers *rig.NATSCluster, node *rig.Process, viewers map[*rig.Market]*rig.Viewer) {
	var want []string
	for m := range viewers {
		for _, symbol := range m.Symbols {
			venue, name, _ := strings.Cut(symbol, ":")
			want = append(want, "md."+venue+"."+name+".*")
		}
	}
	slices.Sort(want)
	var got []string
	for _, s := range servers.Servers {
		for _, subject := range s.Subjects("feedd") {
			if strings.HasPrefix(subject, "md.") && strings.HasSuffix(subject, ".*") {
				got = append(got, subject)
			}
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		r.Errorf("the node is subscribed to %d instruments, want %d: %v, want %v", len(got), len(want), got, want)
	}
	if n := node.Number(`feedd_interest_instruments{state="subscribed"}`); int(n) != len(want) {
		r.Errorf("the node says that it is subscribed to %v instruments, want %d", n, len(want))
	}
}
