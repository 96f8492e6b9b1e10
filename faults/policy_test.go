package faults

import (
	"context"
	"encoding/json"
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
	r    *trial
	node *rig.Process
	*client.Client
}

func operate(r *trial, node *rig.Process) *operator {
	r.Helper()
	c, err := client.New(node.Admin(), "")
	if err != nil {
		r.Fatal(err)
	}
	return &operator{r, node, c}
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

// alarmed reports whether the node says that the bucket cannot be followed, in its status and in what alerts look at.
func (o *operator) alarmed() bool {
	s := o.status()
	return (s.Stale || s.Refused != nil) && o.node.Number("feedd_policy_stale")+o.node.Number("feedd_policy_refused") > 0
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
	p := openPowered(r)
	p.write(1)
	p.write(2)
	// What one of them has as of now is an older state than the policy in force later.
	old := p.servers.Servers[r.random.IntN(3)]
	p.lose()
	keep := old.Copy()
	p.back()
	p.write(3)

	// Without power, and without a minority of the disks, nothing that was acknowledged is gone.
	first := r.random.IntN(3)
	p.keeps("power lost")
	p.keeps("and one disk", p.servers.Servers[first])

	// Without the disks of a majority the last server may give the others what it has. Where it does not, the bucket is lost, or what was
	// written last, and feedd keeps what is in force and says so.
	p.lose(p.servers.Servers[(first+1)%3], p.servers.Servers[(first+2)%3])
	began := time.Now()
	p.back()
	rig.Eventually(r, "the policy in the bucket, or word that it is gone", func() bool {
		text, ok := asked(r, p.js)
		return ok && text == string(numbered(p.newest)) || p.a.alarmed()
	})
	r.duration("two disks: until the policy is back or the operator told", time.Since(began))
	p.a.runs(p.newest)
	p.write(p.newest + 1)
	r.duration("two disks: until both nodes run what one of them writes", time.Since(began))

	// All disks gone, but for one that is older: the older policy does not come back by itself.
	p.lose(p.servers.Servers...)
	old.Restore(keep)
	p.back()
	rig.Eventually(r, "word that the bucket has lost its policy", p.a.alarmed)
	p.a.runs(p.newest)
	// Whatever the bucket has now, the next change is taken, and a node that starts has it.
	p.write(p.newest + 1)
	p.a.node.Interrupt()
	operate(r, rig.Serve(r, "--sim", "off", "--nats-url", p.servers.URL(0), "--data-dir", p.data)).runs(p.newest)
}

// powered is three NATS servers that hold the policy, and two nodes that run it.
type powered struct {
	r       *trial
	servers *rig.NATSCluster
	js      jetstream.JetStream
	a, b    *operator
	data    string // directory of a
	newest  int    // number of the policy that was written last
}

func openPowered(r *trial) *powered {
	r.Helper()
	p := &powered{r: r, servers: rig.StartCluster(r, 3), data: r.TempDir()}
	p.a = operate(r, rig.Serve(r, "--sim", "off", "--nats-url", p.servers.URL(0), "--data-dir", p.data, "--node", "a"))
	p.b = operate(r, rig.Serve(r, "--sim", "off", "--nats-url", p.servers.URL(1), "--node", "b"))
	var err error
	if p.js, err = jetstream.New(p.servers.Connect(), jetstream.WithDefaultTimeout(time.Second)); err != nil {
		r.Fatal(err)
	}
	return p
}

// write has b take a policy, and waits until both run it.
func (p *powered) write(number int) {
	p.r.Helper()
	p.newest = number
	p.b.apply(number)
	p.b.runs(number)
	p.a.runs(number)
}

// lose takes all servers' power, and some of their disks.
func (p *powered) lose(wiped ...*rig.NATSServer) {
	p.r.Helper()
	for _, s := range p.servers.Servers {
		s.Kill()
	}
	for _, s := range wiped {
		s.Wipe()
	}
}

func (p *powered) back() {
	p.r.Helper()
	for _, s := range p.servers.Servers {
		s.Start()
	}
	p.servers.AwaitHealth()
}

// keeps holds that the bucket has the newest policy behind a loss, and that nodes follow it again by themselves.
func (p *powered) keeps(name string, wiped ...*rig.NATSServer) {
	p.r.Helper()
	p.lose(wiped...)
	began := time.Now()
	p.back()
	text := held(p.r, p.js)
	p.r.duration(name+": until the bucket says what it holds", time.Since(began))
	if text != string(numbered(p.newest)) {
		p.r.Errorf("%s: the bucket holds %s", name, text)
	}
	p.write(p.newest + 1)
	p.r.duration(name+": until both nodes run what one of them writes", time.Since(began))
}

// held is the policy that the bucket holds, as soon as it says.
func held(r *trial, js jetstream.JetStream) (text string) {
	r.Helper()
	rig.Eventually(r, "the bucket to say what it holds", func() (ok bool) { text, ok = asked(r, js); return ok })
	return text
}

// asked asks the bucket once, and not for long: JetStream leaves questions without an answer while nobody leads.
func asked(r *trial, js jetstream.JetStream) (text string, ok bool) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	kv, err := js.KeyValue(ctx, policyBucket)
	if err != nil {
		return "", false
	}
	entry, err := kv.Get(ctx, "current")
	if err != nil {
		return "", false
	}
	var v policy.Version
	err = json.Unmarshal(entry.Value(), &v)
	return v.Text, err == nil
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
