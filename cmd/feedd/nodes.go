package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/feedd/feedd/admin/client"
	"github.com/feedd/feedd/admin/control"
	"github.com/feedd/feedd/internal/overload"
)

const nodesUsage = `
Usage: feedd nodes [flags]

Lists the nodes on one NATS and how they fare, as one of them hears of them: what it says is at most a few seconds old. A node that fell
silent without having drained is listed for a quarter of an hour.

Examples:
  feedd nodes                              those that the node on this machine knows
  feedd nodes --json | jq '.[].sessions'   for other programs
`

func nodesCommand(ctx context.Context, args []string, stdout, _ io.Writer) error {
	fs := newFlagSet("nodes", nodesUsage)
	url := fs.String("admin-url", "http://127.0.0.1:8081", "`URL` of a node's admin listener")
	token := fs.String("admin-token-file", "", "`FILE` with the operator's token alone, for nodes that want one")
	asJSON := fs.Bool("json", false, "write JSON")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return usagef("nodes takes no arguments, got %q", fs.Arg(0))
	}
	c, err := client.New(*url, *token)
	if err != nil {
		return usagef("%w", err)
	}
	all, err := c.Loads(ctx)
	if err != nil {
		return err
	}
	if *asJSON {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		return e.Encode(all)
	}
	return tableOfNodes(stdout, all, time.Now())
}

func tableOfNodes(w io.Writer, all []control.NodeLoad, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tSTATE\tSESSIONS\tFRAMES/S\tCPU\tMEMORY\tUP\tCARRIES\tVERSION\tURL")
	for i := range all {
		n := &all[i]
		name := n.Node
		if n.This {
			name += " *"
		}
		if !n.Compatible {
			fmt.Fprintf(t, "%s\tspeaks another revision\t\t\t\t\t\t\t%s\t\n", name, n.Version)
			continue
		}
		memory := fmt.Sprintf("%d MiB", n.Memory>>20)
		if n.MemoryLimit > 0 {
			memory += fmt.Sprintf(" (%d %%)", 100*n.Memory/n.MemoryLimit)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%.0f\t%.0f %%\t%s\t%v\t%s\t%s\t%s\n", name, stateOf(n), n.Sessions, n.FramesPerS, 100*n.CPU, memory,
			now.Sub(n.Started).Round(time.Second), n.Interest, n.Version, n.URL)
	}
	return t.Flush()
}

// clockOff is from when on a difference of clocks is worth a word.
const clockOff = time.Second

// stateOf says what is special of a node, or that nothing is.
func stateOf(n *control.NodeLoad) string {
	words := []string{n.Level}
	switch {
	case n.Silent:
		words[0] = "silent since " + n.Heard.Local().Format(time.TimeOnly)
	case n.Draining:
		words[0] = "draining"
	case n.Level == overload.Slowing.String() && !n.Refuses:
		words[0] += ", takes clients"
	}
	if n.Namesake {
		words = append(words, "shares its name")
	}
	if off := time.Duration(n.ClockMS * float64(time.Millisecond)); max(off, -off) > clockOff {
		words = append(words, fmt.Sprintf("clock %+.1f s", off.Seconds()))
	}
	return strings.Join(words, ", ")
}
