package rig

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/feedd/feedd/ingest"
	"github.com/feedd/feedd/internal/natsserver/natstest"
)

// NATSServer is a nats-server with JetStream in a process of its own.
type NATSServer struct {
	t       testing.TB
	Name    string
	host    *Host // nil: the loopback interface
	dir     string
	address string // of clients
	monitor string
	cmd     *exec.Cmd
	exited  chan struct{}
	log     *lockedText
}

// NATSCluster is several of them, which know each other.
type NATSCluster struct {
	t       testing.TB
	Servers []*NATSServer
}

// StartNATS starts one server, with more lines of configuration.
func StartNATS(t testing.TB, more ...string) *NATSServer {
	t.Helper()
	s := newNATS(t, "solo", nil)
	s.configure(nil, "", more...)
	s.Start()
	s.awaitHealth()
	return s
}

// StartCluster starts n servers with JetStream and returns when they have agreed on who leads. With hosts, each lives on one of
// them.
func StartCluster(t testing.TB, n int, hosts ...*Host) *NATSCluster {
	t.Helper()
	c := &NATSCluster{t: t}
	var routes []string
	for i := range n {
		var host *Host
		if len(hosts) > 0 {
			host = hosts[i%len(hosts)]
		}
		s := newNATS(t, fmt.Sprintf("n%d", i+1), host)
		c.Servers = append(c.Servers, s)
		routes = append(routes, fmt.Sprintf("%s:%d", s.ip(), natstest.Port(t)))
	}
	for i, s := range c.Servers {
		s.configure(routes, routes[i])
		s.Start()
	}
	c.AwaitHealth()
	return c
}

func newNATS(t testing.TB, name string, host *Host) *NATSServer {
	t.Helper()
	s := &NATSServer{t: t, Name: name, host: host, dir: t.TempDir(), log: &lockedText{}}
	s.address = fmt.Sprintf("%s:%d", s.ip(), natstest.Port(t))
	s.monitor = fmt.Sprintf("%s:%d", s.ip(), natstest.Port(t))
	t.Cleanup(func() {
		s.Thaw()
		s.Kill()
		if t.Failed() {
			t.Logf("nats-server %s:\n%s", s.Name, s.log.String())
		}
	})
	return s
}

func (s *NATSServer) ip() string {
	if s.host == nil {
		return "127.0.0.1"
	}
	return s.host.Address
}

func (s *NATSServer) configFile() string { return filepath.Join(s.dir, "nats.conf") }

func (s *NATSServer) configure(routes []string, listen string, more ...string) {
	s.t.Helper()
	text := fmt.Sprintf("server_name: %s\nlisten: %q\nhttp: %q\nlame_duck_duration: 30s\nlame_duck_grace_period: 1s\njetstream {store_dir: %q, max_mem: 256M, max_file: 1G}\n",
		s.Name, s.address, s.monitor, s.store())
	if len(routes) > 0 {
		// Servers of a cluster take another to be gone as fast as feedd does its own.
		text += fmt.Sprintf("cluster {name: rig, listen: %q, ping_interval: 1s, ping_max: 2, routes: [%s]}\n", listen, "nats://"+strings.Join(routes, ", nats://"))
	}
	text += strings.Join(more, "\n") + "\n"
	if err := os.WriteFile(s.configFile(), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// Start starts the server, again if it has ended.
func (s *NATSServer) Start() {
	s.t.Helper()
	path, err := programs.nats()
	if err != nil {
		s.t.Fatal(err)
	}
	if s.host != nil {
		s.cmd = s.host.command(path, s.configFile())
	} else {
		s.cmd = exec.Command(path, s.configFile())
	}
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	cmd, exited := s.cmd, make(chan struct{})
	s.exited = exited
	go func() { _ = cmd.Wait(); close(exited) }()
}

// Kill ends the server without warning. One that has ended stays so.
func (s *NATSServer) Kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
}

// Prefer has it go ahead of others on its core, where this process may say so: what comes of a server behind it is then not due to how
// long its ticks waited.
func (s *NATSServer) Prefer() { prefer(s.cmd.Process.Pid) }

// Freeze stops the server where it is: its connections stay open, and nothing answers.
func (s *NATSServer) Freeze() { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw has it go on.
func (s *NATSServer) Thaw() {
	if s.cmd != nil {
		_ = s.cmd.Process.Signal(syscall.SIGCONT)
	}
}

// LameDuck has the server see its clients off, and end.
func (s *NATSServer) LameDuck() { _ = s.cmd.Process.Signal(syscall.SIGUSR2) }

// Wipe takes away what the server has stored; it must have ended.
func (s *NATSServer) Wipe() {
	s.t.Helper()
	if err := os.RemoveAll(s.store()); err != nil {
		s.t.Fatal(err)
	}
}

// Copy returns the directory of a copy of what the server has stored; it must have ended.
func (s *NATSServer) Copy() string {
	s.t.Helper()
	dir := s.t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(s.store())); err != nil {
		s.t.Fatal(err)
	}
	return dir
}

// Restore puts a copy in place of what the server has stored; it must have ended.
func (s *NATSServer) Restore(dir string) {
	s.t.Helper()
	s.Wipe()
	if err := os.CopyFS(s.store(), os.DirFS(dir)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *NATSServer) store() string { return filepath.Join(s.dir, "store") }

// URL is where clients connect.
func (s *NATSServer) URL() string { return "nats://" + s.address }

// Address is that as host and port.
func (s *NATSServer) Address() string { return s.address }

func (s *NATSServer) healthy() bool {
	client := http.Client{Timeout: time.Second}
	answer, err := client.Get("http://" + s.monitor + "/healthz")
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// awaitHealth waits until the server, and JetStream in it, say that they are well.
func (s *NATSServer) awaitHealth() {
	s.t.Helper()
	Eventually(s.t, "nats-server "+s.Name, s.healthy)
}

// AwaitHealth waits until all are well.
func (c *NATSCluster) AwaitHealth() {
	c.t.Helper()
	for _, s := range c.Servers {
		s.awaitHealth()
	}
	nc := c.Connect()
	defer nc.Close()
	Eventually(c.t, "a leader of JetStream", func() bool {
		js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(time.Second))
		if err != nil {
			return false
		}
		_, err = js.AccountInfo(Deadline(c.t))
		return err == nil
	})
}

// URL lists where clients connect, with the server first (from 0) at the front.
func (c *NATSCluster) URL(first int) string {
	var urls []string
	for i := range c.Servers {
		urls = append(urls, c.Servers[(first+i)%len(c.Servers)].URL())
	}
	return strings.Join(urls, ",")
}

// Connect connects to whichever server answers.
func (c *NATSCluster) Connect() *nats.Conn {
	c.t.Helper()
	return connect(c.t, c.URL(0))
}

// Connect connects to the server.
func (s *NATSServer) Connect() *nats.Conn {
	s.t.Helper()
	return connect(s.t, s.URL())
}

// connect connects as publishers should: with their own server's silence noticed within seconds, and never giving up.
func connect(t testing.TB, url string, more ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, append([]nats.Option{
		nats.Name("rig"), nats.MaxReconnects(-1), nats.ReconnectWait(50 * time.Millisecond), nats.PingInterval(time.Second), nats.MaxPingsOutstanding(2),
		nats.DontRandomize(), nats.ReconnectBufSize(64 << 20), nats.Timeout(time.Second),
	}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// Record makes the stream that records ticks, kept by so many servers.
func Record(t testing.TB, nc *nats.Conn, replicas int) jetstream.Stream {
	t.Helper()
	ctx := Deadline(t)
	if err := ingest.EnsureStream(ctx, nc, ingest.StreamOptions{}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(ctx, ingest.DefaultStream)
	if err != nil {
		t.Fatal(err)
	}
	if replicas > 1 {
		c := stream.CachedInfo().Config
		c.Replicas = replicas
		// Servers that have just found each other are not yet taken for places to put a copy.
		Eventually(t, "places for all copies of the stream", func() bool {
			updated, err := js.UpdateStream(ctx, c)
			if err == nil {
				stream = updated
			}
			return err == nil
		})
	}
	if replicas > 1 {
		Eventually(t, "a leader of the stream, and all its copies", func() bool {
			info, err := stream.Info(ctx)
			if err != nil || info.Cluster == nil || info.Cluster.Leader == "" || len(info.Cluster.Replicas) != replicas-1 {
				return false
			}
			for _, r := range info.Cluster.Replicas {
				if !r.Current {
					return false
				}
			}
			return true
		})
	}
	return stream
}

// Serving finds the server that has a client whose name begins so.
func (c *NATSCluster) Serving(client string) (at int) {
	c.t.Helper()
	Eventually(c.t, "a server that has "+client, func() bool {
		for i, s := range c.Servers {
			if s.Has(client) {
				at = i
				return true
			}
		}
		return false
	})
	return at
}

// Heard finds the server that has a client whose name begins so, and returns when every other one has heard from it which ticks that
// client wants: what is published there before does not reach it, and nobody would know.
func (c *NATSCluster) Heard(client string) (at int) {
	c.t.Helper()
	at = c.Serving(client)
	Eventually(c.t, "what "+client+" wants at every server", func() bool {
		ticks := slices.DeleteFunc(c.Servers[at].Subjects(client), func(s string) bool { return !strings.HasPrefix(s, "md.") })
		for i, s := range c.Servers {
			known := s.remote()
			if i != at && slices.ContainsFunc(ticks, func(subject string) bool { return !slices.Contains(known, subject) }) {
				return false
			}
		}
		return len(ticks) > 0
	})
	return at
}

// remote is what the server knows that clients of others are subscribed to; nothing where it does not answer.
func (s *NATSServer) remote() (subjects []string) {
	var list struct{ Routes []connection }
	s.ask("/routez?subs=1", &list)
	for _, route := range list.Routes {
		subjects = append(subjects, route.Subjects...)
	}
	return subjects
}

// Has reports whether the server has a client whose name begins so.
func (s *NATSServer) Has(client string) bool { return len(s.connections(client)) > 0 }

// Subjects returns what the clients of the server whose name begins so are subscribed to.
func (s *NATSServer) Subjects(client string) (subjects []string) {
	for _, one := range s.connections(client) {
		subjects = append(subjects, one.Subjects...)
	}
	return subjects
}

// connection is a client, or another server, as the server's monitor tells of it.
type connection struct {
	Name     string
	Subjects []string `json:"subscriptions_list"`
}

// connections returns those whose name begins so; none where the server does not answer.
func (s *NATSServer) connections(client string) []connection {
	var list struct{ Connections []connection }
	s.ask("/connz?subs=1", &list)
	return slices.DeleteFunc(list.Connections, func(one connection) bool { return !strings.HasPrefix(one.Name, client) })
}

// ask reads a page of the server's monitor; one that does not answer leaves answer as it is.
func (s *NATSServer) ask(page string, answer any) {
	asking := http.Client{Timeout: time.Second}
	got, err := asking.Get("http://" + s.monitor + page)
	if err != nil {
		return
	}
	defer func() { _ = got.Body.Close() }()
	_ = json.NewDecoder(got.Body).Decode(answer)
}

// Leader is the server that leads a stream.
func (c *NATSCluster) Leader(stream jetstream.Stream) *NATSServer {
	c.t.Helper()
	var leader *NATSServer
	Eventually(c.t, "a leader of the stream", func() bool {
		info, err := stream.Info(Deadline(c.t))
		if err != nil || info.Cluster == nil {
			return false
		}
		for _, s := range c.Servers {
			if s.Name == info.Cluster.Leader {
				leader = s
			}
		}
		return leader != nil
	})
	return leader
}
