package faults

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/feedd/feedd/admin/client"
	"github.com/feedd/feedd/admin/control"
	"github.com/feedd/feedd/internal/rig"
	"github.com/feedd/feedd/policy"
)

const (
	policyBucket = "feedd_policy"
	policyStream = "KV_" + policyBucket
)

// operator calls the admin API of a node.
type operator struct {
	r *trial
	*client.Client
}

func operate(r *trial, node *rig.Process) *operator {
	r.Helper()
	c, err := client.New(node.Admin(), "")
	if err != nil {
		r.Fatal(err)
	}
	return &operator{r, c}
}

func (o *operator) status() client.Status {
	o.r.Helper()
	s, err := o.Status(rig.Deadline(o.r))
	if err != nil {
		o.r.Fatal(err)
	}
	return s
}

// apply puts the policy of a number in force, whatever is.
func (o *operator) apply(number int) uint64 {
	o.r.Helper()
	var s client.Status
	rig.Eventually(o.r, "a policy to be written", func() (ok bool) {
		var err error
		s, err = o.Apply(rig.Deadline(o.r), numbered(number), policy.Write{Reason: "test", Expected: o.status().Newest})
		var refused *client.Error
		if errors.As(err, &refused) && refused.StatusCode != http.StatusPreconditionFailed && refused.StatusCode < 500 {
			o.r.Fatal(err)
		}
		return err == nil
	})
	return s.Version.Revision
}

// runs waits until the node runs the policy of a number.
func (o *operator) runs(number int) {
	o.r.Helper()
	rig.Eventually(o.r, fmt.Sprintf("policy %d in force", number), func() bool { return o.status().Version.Text == string(numbered(number)) })
}

// numbered is a policy that can be told from others.
func numbered(n int) []byte { return fmt.Appendf(nil, "tiers: {default: {subscriptions: %d}}\n", n) }

// watchLost takes the watch of a node away, which is told nothing of it.
func watchLost(r *trial) {
	solo := rig.StartNATS(r)
	a := operate(r, rig.Serve(r, "--sim", "off", "--nats-url", solo.URL(), "--node", "a"))
	b := operate(r, rig.Serve(r, "--sim", "off", "--nats-url", solo.URL(), "--node", "b"))
	a.apply(1)
	b.runs(1)
	js, err := jetstream.New(solo.Connect())
	if err != nil {
		r.Fatal(err)
	}
	stream, err := js.Stream(rig.Deadline(r), policyStream)
	if err != nil {
		r.Fatal(err)
	}
	began := time.Now()
	n := 0
	for name := range stream.ConsumerNames(rig.Deadline(r)).Name() {
		if err := stream.DeleteConsumer(rig.Deadline(r), name); err == nil {
			n++
		}
	}
	if n < 2 {
		r.Errorf("%d watches were there to be taken away, want those of two nodes", n)
	}
	a.apply(2)
	b.runs(2)
	r.duration("converged", time.Since(began))
}

// powerLost takes the servers' power and, at last, their disks.
func powerLost(r *trial) {
	c := rig.StartCluster(r, 3)
	data := r.TempDir()
	node := rig.Serve(r, "--sim", "off", "--nats-url", c.URL(0), "--data-dir", data)
	o := operate(r, node)
	o.apply(1)
	o.apply(2)
	killAll := func() {
		for _, s := range c.Servers {
			s.Kill()
		}
	}
	startAll := func() {
		for _, s := range c.Servers {
			s.Start()
		}
		c.AwaitHealth()
	}
	// What one of them has as of now is an older state than the policy in force later.
	old := c.Servers[r.random.IntN(3)]
	killAll()
	keep := old.Copy()
	startAll()
	o.apply(3)
	killAll()
	startAll()
	o.runs(3)

	// All disks gone, but for one that is older: the older policy does not come back by itself.
	killAll()
	for _, s := range c.Servers {
		s.Wipe()
	}
	old.Restore(keep)
	startAll()
	rig.Eventually(r, "word that the bucket has lost its policy", func() bool { s := o.status(); return s.Stale || s.Refused != nil })
	o.runs(3)
	// Whatever the bucket has now, the next change is taken, and a node that starts has it.
	o.apply(4)
	o.runs(4)
	node.Interrupt()
	operate(r, rig.Serve(r, "--sim", "off", "--nats-url", c.URL(0), "--data-dir", data)).runs(4)
}

// clusterSplit leaves one server alone that leads the policy's bucket, with a node at it.
func clusterSplit(r *trial) {
	network := rig.NewNetwork(r)
	hosts := []*rig.Host{network.Host(), network.Host(), network.Host()}
	c := newCluster(r, hosts...)
	major := operate(r, c.feedd)
	major.apply(1)
	nc := c.nats.Connect()
	js, err := jetstream.New(nc)
	if err != nil {
		r.Fatal(err)
	}
	bucket, err := js.Stream(rig.Deadline(r), policyStream)
	if err != nil {
		r.Fatal(err)
	}
	leader := c.leadElsewhere(nc, bucket) // feedd and the market are to be with the majority
	// The other nodes of this test are at servers that stay together.
	alone, rest := -1, []string{}
	for i, s := range c.nats.Servers {
		if s == leader {
			alone = i
		} else {
			rest = append(rest, hosts[i].Address)
		}
	}
	lonely := rig.Serve(r, "--sim", "off", "--nats-url", c.nats.Servers[alone].URL(), "--node", "lonely")
	minor := operate(r, lonely)
	minor.runs(1)
	end := c.market.Run()
	c.sometime()
	began := time.Now()
	hosts[alone].Drop(rest...)
	_, err = minor.Apply(rig.Deadline(r), numbered(666), policy.Write{Reason: "test", Expected: minor.status().Newest})
	var refused *client.Error
	if !errors.As(err, &refused) || refused.StatusCode != http.StatusServiceUnavailable {
		r.Errorf("a policy written on the minority's side: %v, want 503", err)
	}
	r.duration("refused on the minority's side", time.Since(began))
	major.apply(2)
	r.duration("written on the majority's side", time.Since(began))
	if got := minor.status().Version.Text; got != string(numbered(1)) {
		r.Errorf("the minority runs %s", got)
	}
	c.sometime()
	healed := time.Now()
	hosts[alone].Mend()
	minor.runs(2)
	r.duration("one policy again", time.Since(healed))
	major.runs(2)
	c.sometime()
	end()
	c.market.Ends(c.viewer.Connected(), c.viewer.Tape)
}

// hostilePolicies are all refused, whoever brings them.
func hostilePolicies(r *trial) {
	solo := rig.StartNATS(r)
	node := rig.Serve(r, "--sim", "off", "--nats-url", solo.URL())
	o := operate(r, node)
	good := o.apply(7)
	js, err := jetstream.New(solo.Connect())
	if err != nil {
		r.Fatal(err)
	}
	kv, err := js.KeyValue(rig.Deadline(r), policyBucket)
	if err != nil {
		r.Fatal(err)
	}
	texts := map[string]string{
		"nothing": "", "no tiers": "rules: []\n", "cut short": "tiers: {default: {fastest: ", "a duration of nothing": "tiers: {default: {fastest: 0ms}}\n",
		"a duration below nothing": "tiers: {default: {fastest: -1s}}\n", "a duration of years": "tiers: {default: {fastest: 1000000000s}}\n",
		"subscriptions below nothing": "tiers: {default: {subscriptions: -1}}\n", "a number beyond all": "tiers: {default: {subscriptions: 99999999999999999999}}\n",
		"an unknown word": "tiers: {default: {fastets: 1s}}\n", "two documents": "tiers: {default: {}}\n---\ntiers: {default: {}}\n",
		"binary": "\x00\xff\xfe\x01", "an anchor that refers to itself": "tiers: &a {default: *a}\n",
		"much": "tiers: {default: {}}\nrules:\n" + strings.Repeat("  - {name: x, symbols: [\"*\"]}\n", 100_000),
		"deep": "tiers: " + strings.Repeat("{a: ", 5000) + strings.Repeat("}", 5000) + "\n",
	}
	inForce := 0
	for name, text := range texts {
		_, err := o.Apply(rig.Deadline(r), []byte(text), policy.Write{Reason: "test", Expected: o.status().Newest})
		var refused *client.Error
		if !errors.As(err, &refused) || refused.StatusCode < 400 || refused.StatusCode >= 500 {
			r.Errorf("%s, over the API: %v, want a refusal", name, err)
		}
		if len(text) > 1<<20 {
			continue // NATS itself refuses as much
		}
		revision, err := kv.Put(rig.Deadline(r), "current", []byte(text))
		if err != nil {
			r.Fatal(err)
		}
		rig.Eventually(r, "word of "+name, func() bool { return o.status().Newest == revision })
		s := o.status()
		if s.Refused == nil || len(s.Refused.Problems) == 0 {
			r.Errorf("%s, from the bucket: nothing is said against it", name)
		}
		if s.Version.Revision != good || s.Version.Text != string(numbered(7)) {
			inForce++
			r.Errorf("%s, from the bucket: revision %d is in force: %s", name, s.Version.Revision, s.Version.Text)
		}
	}
	if node.Number("feedd_policy_refused") != 1 {
		r.Error("the metrics do not say that a policy is refused")
	}
	r.figure("hostile policies", float64(len(texts)), "")
	r.figure("times one was in force", float64(inForce), "")
	o.apply(8)
	o.runs(8)
}

// manyWriters change the same policy at once, over two nodes.
func manyWriters(r *trial) {
	const writers = 50
	solo := rig.StartNATS(r)
	dirs := []string{r.TempDir(), r.TempDir()}
	var nodes []*operator
	for _, dir := range dirs {
		nodes = append(nodes, operate(r, rig.Serve(r, "--sim", "off", "--nats-url", solo.URL(), "--data-dir", dir)))
	}
	first := nodes[0].apply(1)
	nodes[1].runs(1)
	var mu sync.Mutex
	codes := map[int]int{}
	var at sync.WaitGroup
	for i := range writers {
		at.Go(func() {
			_, err := nodes[i%2].Apply(rig.Deadline(r), numbered(100+i), policy.Write{Reason: "test", Expected: first})
			code := http.StatusOK
			var refused *client.Error
			if errors.As(err, &refused) {
				code = refused.StatusCode
			} else if err != nil {
				code = 0
			}
			mu.Lock()
			defer mu.Unlock()
			codes[code]++
		})
	}
	at.Wait()
	if codes[http.StatusOK] != 1 || codes[http.StatusPreconditionFailed] != writers-1 {
		r.Errorf("answers: %v, want 200 once and 412 for the others", codes)
	}
	// Each adds one of its own: none may undo another's.
	for i := range writers {
		at.Go(func() {
			name := fmt.Sprintf("stop-%d", i)
			if _, err := nodes[i%2].Stop(rig.Deadline(r), control.StopRequest{Name: name, Symbols: []string{"test:" + name}}, "test"); err != nil {
				r.Error(err)
			}
		})
	}
	at.Wait()
	lost := 0
	for _, o := range nodes {
		text := ""
		rig.Eventually(r, "all stops on every node", func() bool {
			text = o.status().Version.Text
			return strings.Count(text, "name: stop-") == writers
		})
		lost += writers - strings.Count(text, "name: stop-")
	}
	audited := 0
	for _, dir := range dirs {
		audit, err := os.ReadFile(dir + "/audit.jsonl")
		if err != nil {
			r.Fatal(err)
		}
		audited += strings.Count(string(audit), "\n")
	}
	if want := 1 + 2*writers; audited < want {
		r.Errorf("%d lines of audit, want %d", audited, want)
	}
	r.figure("changes lost", float64(lost), "")
	r.figure("told 412", float64(codes[http.StatusPreconditionFailed]), "")
}
