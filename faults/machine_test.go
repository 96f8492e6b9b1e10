package faults

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/internal/rig"
)

// machineRows are those of the machine that a node runs on, and of what it was given to be let in with.
var machineRows = []row{
	{
		number: 36, fault: "a full or read-only disk under checkpoints",
		expected: "logged and counted, serving goes on, the old file stays whole",
		run:      diskFull, network: true, held: []string{"e2e.TestCheckpointIsLost"},
	},
	{
		number: 37, fault: "no descriptors left",
		expected: "clients are refused, the admin port still answers, and all recovers",
		run:      noDescriptors, short: true, tools: []string{"prlimit"}, held: []string{"transport/listen.TestSomeDescriptorsAreKept"},
	},
	{
		number: 38, fault: "memory up to its ceiling",
		expected: "load is shed in its order, and the node does not end",
		held:     []string{"e2e.TestMemoryThatRunsOut"},
	},
	{
		number: 39, fault: "one processor, which it shares with its clients",
		expected: "rows are conflated more, ages grow slowly, nobody is disconnected",
		run:      oneProcessor, tools: []string{"taskset"},
	},
	{
		number: 40, fault: "a TLS certificate rotated, and a broken one",
		expected: "new handshakes get the new one; with a broken one the old stays, and an alarm says so",
		held:     []string{"e2e.TestServeWithTLS", "transport/ws.TestCertificatesRotateUnderLoad"},
	},
	{
		number: 41, fault: "a token that expires or is revoked",
		expected: "warned and renewed without a break, or ended with 4010; revoked within a second",
		run:      tokenExpires, short: true, held: []string{"e2e.TestRevocationReachesAllNodes", "session.TestTranscripts"},
	},
	{
		number: 44, fault: "half an hour of all of it",
		expected: "no growth of goroutines, heap or descriptors",
		found:    soaked,
	},
}

// diskFull fills the disk under a node's data, empties it again, and then makes it read-only.
func diskFull(r *trial) {
	dir := r.TempDir()
	disk := filepath.Join(dir, "checkpoint")
	if err := os.Mkdir(disk, 0o700); err != nil {
		r.Fatal(err)
	}
	mount := func(flags uintptr, options string) {
		// Busy is a disk on which a checkpoint is just being written.
		rig.Eventually(r, "a disk that can be changed", func() bool {
			err := syscall.Mount("tmpfs", disk, "tmpfs", flags, options)
			if err != nil && !errors.Is(err, syscall.EBUSY) {
				r.Fatal(err)
			}
			return err == nil
		})
	}
	const size = "size=2m"
	mount(0, size)
	r.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	n := newNode(r, 20, "--data-dir", dir, "--checkpoint-every", "200ms")
	checkpoint := filepath.Join(disk, "checkpoint")
	saved := func() float64 { return n.feedd.Number("feedd_checkpoint_timestamp_seconds") }
	rig.Eventually(r, "a checkpoint", func() bool { return saved() > 0 })

	for _, fault := range []struct {
		name       string
		begin, end func()
	}{
		{"full", func() { fill(r, filepath.Join(disk, "filler")) }, func() { _ = os.Remove(filepath.Join(disk, "filler")) }},
		{"read-only", func() { mount(syscall.MS_REMOUNT|syscall.MS_RDONLY, size) }, func() { mount(syscall.MS_REMOUNT, size) }},
	} {
		unsaved := n.feedd.Dropped("unsaved_state")
		fault.begin()
		n.feedd.AtLeast("unsaved_state", unsaved+3)
		r.figure("checkpoints not written while "+fault.name, float64(n.feedd.Dropped("unsaved_state")-unsaved), "")
		if info, err := os.Stat(checkpoint); err != nil || info.Size() == 0 {
			r.Errorf("%s: the old checkpoint is gone: %v", fault.name, err)
		}
		fault.end()
		ended := time.Now()
		rig.Eventually(r, "a checkpoint again", func() bool { return saved() > float64(ended.UnixMicro())/1e6 })
		r.duration("written again behind "+fault.name, time.Since(ended))
	}
	n.end()
	n.market.Ends(n.viewer.Connected(), n.viewer.Tape)
	r.figure("clients disconnected", float64(len(n.viewer.Ends())), "")
	n.feedd.Kill()
	n.feedd = rig.Feedd(r, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--sim", "off", "--nats-url", n.nats.URL(), "--data-dir", dir)
	n.feedd.Line("ready")
	r.figure("corrupted files", float64(n.feedd.Dropped("bad_checkpoint")), "")
	if bad := n.feedd.Dropped("bad_checkpoint"); bad != 0 {
		r.Errorf("%d checkpoints could not be read", bad)
	}
}

// fill writes a file until the disk takes no more.
func fill(r *trial, path string) {
	r.Helper()
	f, err := os.Create(path)
	if err != nil {
		r.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for block := make([]byte, 4<<10); ; {
		if _, err := f.Write(block); err != nil {
			return
		}
	}
}

// noDescriptors has more clients come than a node may have sockets for.
func noDescriptors(r *trial) {
	const limit = 256
	n := &node{r: r, nats: rig.StartNATS(r)}
	rig.Record(r, n.nats.Connect(), 1)
	n.feedd = rig.Under(r, "prlimit", []string{"--nofile=" + strconv.Itoa(limit)}, "--sim", "off", "--nats-url", n.nats.URL())
	n.open(few)
	n.look(n.feedd)
	n.before = n.feedd.Footing()
	var clients []*client.Client
	refused := 0
	for range limit {
		if c, err := client.Dial(rig.Deadline(r), n.feedd.WebSocket(), client.Options{}); err == nil {
			clients = append(clients, c)
		} else {
			refused++
		}
	}
	r.figure("clients let in", float64(len(clients)), "of "+strconv.Itoa(limit)+" descriptors")
	r.figure("refused", float64(refused), "")
	// And those who do not even ask take what is left for handshakes.
	var silent []net.Conn
	for range limit {
		if conn, err := dialRaw(n.address(), 0); err == nil {
			silent = append(silent, conn)
		}
	}
	rig.Eventually(r, "connections that are closed ahead of everything", func() bool { return n.feedd.Dropped("no_descriptors") > 0 })
	r.figure("descriptors at most", n.feedd.Number("process_open_fds"), "")
	r.figure("closed ahead of everything", float64(n.feedd.Dropped("no_descriptors")), "")
	answer, err := http.Get(n.feedd.Admin() + "/readyz")
	if err != nil || answer.StatusCode != http.StatusOK {
		r.Fatalf("the admin port: %v, %v", answer, err)
	}
	_ = answer.Body.Close()
	for _, c := range clients {
		c.Close()
	}
	for _, conn := range silent {
		_ = conn.Close()
	}
	began := time.Now()
	rig.Eventually(r, "somebody to be let in again", func() bool {
		ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
		defer cancel()
		c, err := client.Dial(ctx, n.feedd.WebSocket(), client.Options{})
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	r.duration("let in again", time.Since(began))
	n.ends()
}

// oneProcessor puts a node under load on one processor, which its clients use too.
func oneProcessor(r *trial) {
	n := newNode(r, 50)
	swarm := rig.NewSwarm(r, rig.SwarmOptions{
		Clients: 2000, Nodes: sockets(n.feedd), Symbols: n.market.Symbols[:watched], Cadence: 100 * time.Millisecond, Seed: 1,
	})
	bystanders := n.standBy(n.feedd)
	bystanders.calm()
	pin := func(cores string, pid int) {
		if out, err := exec.Command("taskset", "-a", "-c", "-p", cores, strconv.Itoa(pid)).CombinedOutput(); err != nil {
			r.Fatalf("taskset: %v\n%s", err, out)
		}
	}
	conflated := func() float64 { return n.feedd.Number("feedd_conflated_total") }
	was, before := time.Now(), conflated()
	pin("0", n.feedd.Pid())
	pin("0", os.Getpid())
	time.Sleep(8 * time.Second)
	now := time.Now()
	pin("0-1", os.Getpid())
	bystanders.seen()
	r.figure("ticks conflated", (conflated()-before)/now.Sub(was).Seconds(), "a second")
	r.figure("clients disconnected", float64(len(swarm.Ends())), "")
	if ends := len(swarm.Ends()); ends > 0 {
		r.Errorf("%d clients were disconnected", ends)
	}
	swarm.Close()
	n.ends()
}
