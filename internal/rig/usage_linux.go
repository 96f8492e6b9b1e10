package rig

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// Resident is how much memory the process has, as the kernel counts it.
func (p *Process) Resident() float64 {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.Pid()))
	if err != nil {
		p.t.Fatal(err)
	}
	fields := strings.Fields(string(text))
	pages, err := strconv.ParseFloat(fields[1], 64)
	if err != nil {
		p.t.Fatal(err)
	}
	return pages * float64(os.Getpagesize())
}

// Used is the processor time that the process has used.
func (p *Process) Used() time.Duration {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid()))
	if err != nil {
		p.t.Fatal(err)
	}
	// Fields are counted behind the command's name, which stands in parentheses.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var ticks int64
	for _, field := range fields[11:13] { // user and system
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			p.t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// Queued is how many bytes the kernel holds that a server has sent and its client has not acknowledged, or that were not
// even sent; false: there is no such connection.
func (p *Process) Queued(server, client netip.AddrPort) (bytes int, ok bool) {
	p.t.Helper()
	f, err := os.Open("/proc/self/net/tcp")
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	near, far := kernelAddress(server), kernelAddress(client)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		const established = "01"
		if len(fields) < 5 || fields[1] != near || fields[2] != far || fields[3] != established {
			continue
		}
		queue, _, _ := strings.Cut(fields[4], ":")
		n, err := strconv.ParseInt(queue, 16, 64)
		if err != nil {
			p.t.Fatal(err)
		}
		return int(n), true
	}
	return 0, false
}

// kernelAddress is an address as /proc/net/tcp has it: the bytes of the address in the machine's order.
func kernelAddress(a netip.AddrPort) string {
	ip := a.Addr().Unmap().As4()
	return strings.ToUpper(hex.EncodeToString([]byte{ip[3], ip[2], ip[1], ip[0]})) + fmt.Sprintf(":%04X", a.Port())
}
