package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// Network is hosts of their own, network namespaces on one bridge, that only this test binary can reach.
type Network struct {
	t      testing.TB
	number int32 // from 1, of this process; below 256
	bridge string
	hosts  int
}

// networks is how many were made by this process. Tests that run side by side have one each, with names and addresses of its own.
var networks atomic.Int32

// Host is one of them. The test itself, and what it starts on no host, is at Network.Address.
type Host struct {
	net     *Network
	name    string
	Address string
}

// NoNetwork says why networks cannot be made here; empty: they can.
func NoNetwork() string {
	switch {
	case !isolated():
		return "network namespaces need root and ip(8) on Linux"
	case nft() == "":
		return "packets are dropped by nft(8), which is not here: scripts/deploy-tools nft fetches it"
	}
	return ""
}

// NewNetwork makes a network. It skips the test where that is not possible.
func NewNetwork(t testing.TB) *Network {
	t.Helper()
	if why := NoNetwork(); why != "" {
		t.Skip(why)
	}
	n := &Network{t: t, number: networks.Add(1)}
	n.bridge = fmt.Sprintf("rig%d", n.number)
	n.ip("link", "add", n.bridge, "type", "bridge")
	t.Cleanup(func() { n.ip("link", "del", n.bridge) })
	n.ip("addr", "add", n.Address()+"/24", "dev", n.bridge)
	n.ip("link", "set", n.bridge, "up")
	return n
}

// Address is the test's own on the network.
func (n *Network) Address() string { return n.address(1) }

func (n *Network) address(host int) string { return fmt.Sprintf("10.77.%d.%d", n.number, host) }

// Host adds a host.
func (n *Network) Host() *Host {
	n.t.Helper()
	n.hosts++
	h := &Host{net: n, name: fmt.Sprintf("rig%d-%d-%d", os.Getpid(), n.number, n.hosts), Address: n.address(n.hosts + 1)}
	near, far := fmt.Sprintf("rig%dn%d", n.number, n.hosts), fmt.Sprintf("rig%df%d", n.number, n.hosts)
	n.ip("netns", "add", h.name)
	n.t.Cleanup(func() { n.ip("netns", "del", h.name) })
	n.ip("link", "add", near, "type", "veth", "peer", "name", far)
	n.ip("link", "set", far, "netns", h.name)
	n.t.Cleanup(func() { n.ip("link", "del", near) }) // ahead of the namespace, which takes its time to go and would keep the name
	n.ip("link", "set", near, "master", n.bridge, "up")
	n.ip("-n", h.name, "addr", "add", h.Address+"/24", "dev", far)
	n.ip("-n", h.name, "link", "set", far, "up")
	n.ip("-n", h.name, "link", "set", "lo", "up")
	h.nft("add table inet rig; add chain inet rig in { type filter hook input priority 0; }; add chain inet rig out { type filter hook output priority 0; }")
	return h
}

func (n *Network) ip(args ...string) {
	n.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		n.t.Fatalf("ip %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// command runs a program on the host.
func (h *Host) command(path string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", h.name, path}, args...)...)
}

// Run runs feedd with args on the host, as a server or as another of its commands.
func (h *Host) Run(t testing.TB, args ...string) *Process {
	t.Helper()
	return start(t, h.command(Binary(t), args...))
}

func (h *Host) nft(script string) {
	h.net.t.Helper()
	cmd := h.command(nft(), "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		h.net.t.Fatalf("nft on %s: %v\n%s\n%s", h.Address, err, script, out)
	}
}

// Drop has every packet between the host and addresses vanish, without a word to either side.
func (h *Host) Drop(addresses ...string) {
	h.net.t.Helper()
	list := strings.Join(addresses, ", ")
	h.nft(fmt.Sprintf("add rule inet rig in ip saddr { %s } drop; add rule inet rig out ip daddr { %s } drop", list, list))
}

// Mend ends that.
func (h *Host) Mend() {
	h.net.t.Helper()
	h.nft("flush chain inet rig in; flush chain inet rig out")
}

// nft is the program that drops packets: the machine's, or what scripts/deploy-tools has fetched.
func nft() string { return Tool("nft") }

// Tool finds a program of the machine, or one that scripts/deploy-tools has fetched; empty: there is none.
func Tool(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{os.Getenv("DEPLOY_TOOLS"), "bin/deploy", "../bin/deploy", "../../bin/deploy"} {
		if path, err := filepath.Abs(filepath.Join(dir, name)); dir != "" && err == nil {
			if _, err := os.Stat(path); err == nil {
				return path
			}
		}
	}
	return ""
}
