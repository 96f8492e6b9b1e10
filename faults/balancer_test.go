package faults

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/feedd/feedd/internal/natsserver/natstest"
	"github.com/feedd/feedd/internal/rig"
)

// balancer is an nginx in front of nodes.
type balancer struct {
	r       *trial
	dir     string
	address string
	cmd     *exec.Cmd
}

// balance starts one, with the timeouts of deploy/nginx.
func balance(r *trial, nodes ...string) *balancer { return balanceIdle(r, 75*time.Second, nodes...) }

// balanceIdle starts one that bears a silence of so long.
func balanceIdle(r *trial, idle time.Duration, nodes ...string) *balancer {
	r.Helper()
	b := &balancer{r: r, dir: r.TempDir(), address: fmt.Sprintf("127.0.0.1:%d", natstest.Port(r))}
	// Its workers are of another user.
	if err := os.Chmod(b.dir, 0o755); err != nil {
		r.Fatal(err)
	}
	conf := fmt.Sprintf(`
worker_processes 2;
worker_shutdown_timeout 2s;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log warn;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  upstream feedd { least_conn; %[2]s }
  server {
    listen %[3]s;
    location / {
      proxy_pass http://feedd;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
      proxy_connect_timeout 2s; proxy_read_timeout %[4]dms; proxy_send_timeout 75s; proxy_buffering off;
      proxy_next_upstream error timeout http_503; proxy_next_upstream_tries 3;
    }
  }
}
`, b.dir, "server "+strings.Join(nodes, " max_fails=1 fail_timeout=1s; server ")+" max_fails=1 fail_timeout=1s;", b.address, idle.Milliseconds())
	if err := os.WriteFile(b.conf(), []byte(conf), 0o600); err != nil {
		r.Fatal(err)
	}
	b.cmd = exec.Command(rig.Tool("nginx"), "-p", b.dir, "-c", b.conf(), "-g", "daemon off;")
	var log strings.Builder
	b.cmd.Stderr = &log
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := b.cmd.Start(); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		b.kill()
		if text, err := os.ReadFile(filepath.Join(b.dir, "error.log")); err == nil && r.Failed() {
			r.Logf("nginx: %s%s", log.String(), text)
		}
	})
	rig.Eventually(r, "nginx", func() bool { _, err := os.Stat(filepath.Join(b.dir, "nginx.pid")); return err == nil })
	return b
}

func (b *balancer) conf() string { return filepath.Join(b.dir, "nginx.conf") }

func (b *balancer) url() string { return "ws://" + b.address + "/v1/ws" }

// reload starts new workers; old ones end with their connections, or with worker_shutdown_timeout.
func (b *balancer) reload() { _ = b.cmd.Process.Signal(syscall.SIGHUP) }

// kill ends it with its workers, at once.
func (b *balancer) kill() {
	if b.cmd.ProcessState == nil {
		_ = syscall.Kill(-b.cmd.Process.Pid, syscall.SIGKILL)
		_ = b.cmd.Wait()
	}
}

// fleet is nodes at ports of their own, a market, and people who look through a balancer.
type fleet struct {
	r       *trial
	nats    *rig.NATSServer
	nodes   []*rig.Process
	args    [][]string
	market  *rig.Market
	viewers []*rig.Viewer
}

func newFleet(r *trial, nodes int) *fleet {
	f := &fleet{r: r, nats: rig.StartNATS(r)}
	rig.Record(r, f.nats.Connect(), 1)
	for i := range nodes {
		f.args = append(f.args, []string{
			"--sim", "off", "--nats-url", f.nats.URL(), "--listen", fmt.Sprintf("127.0.0.1:%d", natstest.Port(r)), "--node", fmt.Sprintf("node-%d", i),
			"--data-dir", r.TempDir(), "--drain-within", "3s", "--drain-peers", "2", "--trusted-proxies", "127.0.0.0/8",
		})
		f.nodes = append(f.nodes, rig.Serve(r, f.args[i]...))
	}
	f.market = rig.OpenMarket(r, f.nats.URL(), rig.MarketOptions{Seed: r.random.Uint64(), Pace: 5 * time.Millisecond})
	f.market.StepEach()
	return f
}

func (f *fleet) addresses() (all []string) {
	for _, n := range f.nodes {
		all = append(all, strings.TrimPrefix(n.Dashboard(), "http://"))
	}
	return all
}

func (f *fleet) look(n int, urls ...string) {
	f.r.Helper()
	for i := range n {
		f.viewers = append(f.viewers, rig.View(f.r, f.market.Symbols, rig.ViewerOptions{
			URLs: urls, Cadence: 100 * time.Millisecond, Seed: f.r.random.Uint64() + uint64(i),
		}))
	}
}

// age is the worst percentile over all who look.
func (f *fleet) age(percentile float64, from, to time.Time) (worst time.Duration) {
	for _, v := range f.viewers {
		age, _ := v.Age(percentile, from, to)
		worst = max(worst, age)
	}
	return worst
}

// ends holds that everybody has everything, and returns how connections ended, by code.
func (f *fleet) ends() map[uint16]int {
	f.r.Helper()
	codes, slowest := map[uint16]int{}, time.Duration(0)
	for _, v := range f.viewers {
		f.market.Ends(v.Connected(), v.Tape)
		for _, end := range v.Ends() {
			codes[end.Code()]++
			slowest = max(slowest, end.Back)
		}
	}
	f.r.duration("slowest to be back", slowest)
	return codes
}

// rollingRestart replaces three nodes behind a balancer, one after the other, while the market runs.
func rollingRestart(r *trial) {
	f := newFleet(r, 3)
	b := balance(r, f.addresses()...)
	f.look(60, b.url())
	end := f.market.Run()
	f.market.Await(300)
	began := time.Now()
	r.duration("p99 of age before", f.age(0.99, began.Add(-time.Second), began))
	for i, n := range f.nodes {
		n.Signal(syscall.SIGTERM)
		if code := n.Wait(); code != 0 {
			r.Errorf("node %d ended with %d", i, code)
		}
		f.nodes[i] = rig.Serve(r, f.args[i]...)
		f.market.Await(100)
	}
	over := time.Now()
	r.duration("p99 of age meanwhile", f.age(0.99, began, over))
	f.market.Await(300)
	r.duration("p99 of age afterwards", f.age(0.99, over, time.Now()))
	end()
	codes := f.ends()
	r.Logf("connections ended by code: %v", codes)
	r.figure("connections ended", float64(total(codes)), "")
	r.figure("of them without a word (1006)", float64(codes[1006]), "")
	if codes[1006] > 0 {
		r.Errorf("%d connections ended without a word", codes[1006])
	}
}

func total(codes map[uint16]int) (n int) {
	for _, count := range codes {
		n += count
	}
	return n
}

// balancerReloads reloads one of two balancers, and kills it: those at the other notice nothing.
func balancerReloads(r *trial) {
	f := newFleet(r, 2)
	one, other := balance(r, f.addresses()...), balance(r, f.addresses()...)
	f.look(20, one.url(), other.url())
	f.look(20, other.url(), one.url())
	end := f.market.Run()
	f.market.Await(200)
	one.reload()
	// Its workers end with the connections that they are given two seconds to end.
	rig.Eventually(r, "everybody back", func() bool { return len(f.viewers[0].Ends()) > 0 })
	for _, v := range f.viewers[:20] {
		v.Connected()
	}
	f.market.Await(200)
	one.kill()
	f.market.Await(400)
	end()
	codes := f.ends()
	r.figure("connections ended", float64(total(codes)), "")
	moved := 0
	for _, v := range f.viewers[20:] {
		moved += len(v.Ends())
	}
	r.figure("of clients of the other balancer", float64(moved), "")
	if moved > 0 {
		r.Errorf("%d connections through the other balancer ended", moved)
	}
}

// idleCuts has people look at instruments that do not tick, half of them through a balancer that bears no silence as long as feedd's
// heartbeats are apart.
func idleCuts(r *trial) {
	f := newFleet(r, 1)
	patient, hasty := balanceIdle(r, 8*time.Second, f.addresses()...), balanceIdle(r, 2*time.Second, f.addresses()...)
	people := pick(r, 2, 10)
	f.look(people, patient.url())
	f.look(people, hasty.url())
	for _, v := range f.viewers {
		v.Connected()
	}
	came := time.Now()
	streams := followEvents(r, "http://"+patient.address, "http://"+hasty.address)
	// An operator who looks for the word of it need not know of it: the node finds out.
	f.nodes[0].AtLeast("idle_cut", 2)
	r.duration("named", time.Since(came))
	if !strings.Contains(f.nodes[0].Stderr(), "proxy_read_timeout") {
		r.Error("the log does not say what to do")
	}
	// Longer than the patient one bears: heartbeats keep its connections.
	rig.Eventually(r, "more time than the patient balancer bears", func() bool { return time.Since(came) > 18*time.Second })
	for _, v := range f.viewers {
		v.Connected()
	}
	end := f.market.Run()
	f.market.Await(200)
	end()
	f.ends()
	cuts := map[bool]int{}
	for i, v := range f.viewers {
		cuts[i >= people] += len(v.Ends())
	}
	events := streams()
	r.figure("cut by a balancer that waits 2 s", float64(cuts[true]+events[1]), "")
	r.figure("cut by one that waits 8 s", float64(cuts[false]+events[0]), "")
	if cuts[false]+events[0] > 0 || cuts[true] < people || events[1] == 0 {
		r.Errorf("of WebSockets %d and %d were cut, of event streams %d and %d", cuts[false], cuts[true], events[0], events[1])
	}
}

// followEvents follows an event stream from each place, again whenever it ends, and returns how often each ended. Nothing ticks meanwhile.
func followEvents(r *trial, places ...string) (ends func() []int) {
	ctx, cancel := context.WithCancel(r.Context())
	counts := make([]int, len(places))
	var following sync.WaitGroup
	for i, place := range places {
		following.Go(func() {
			for ctx.Err() == nil {
				request, err := http.NewRequestWithContext(ctx, http.MethodGet, place+"/v1/sse?symbols=crash:A", nil)
				if err != nil {
					return
				}
				if answer, err := http.DefaultClient.Do(request); err == nil {
					_, _ = io.Copy(io.Discard, answer.Body)
					_ = answer.Body.Close()
				}
				if ctx.Err() == nil {
					counts[i]++
				}
			}
		})
	}
	ends = func() []int { cancel(); following.Wait(); return counts }
	r.Cleanup(func() { ends() })
	return ends
}
