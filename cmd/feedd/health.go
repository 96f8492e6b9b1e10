package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/feedd/feedd/internal/config"
)

const healthUsage = `
Usage: feedd healthcheck [live|ready|startup] [flags]

Asks a node on this machine whether it is alive (or ready for new clients, or done booting) and prints what it says. The
exit status is 0 when it is, and 1 otherwise: what containers want, which have no curl. It takes the flags, variables and
file that the node itself was started with, and looks at the address of the admin listener alone.

Examples:
  feedd healthcheck
  feedd healthcheck ready --admin-listen 127.0.0.1:9000
`

// healthWithin bounds one question.
const healthWithin = 3 * time.Second

func healthCommand(ctx context.Context, args []string, stdout, _ io.Writer) error {
	probe := "live"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		probe, args = args[0], args[1:]
	}
	if probe != "live" && probe != "ready" && probe != "startup" {
		return usagef("unknown question %q: want live, ready or startup", probe)
	}
	c, err := readConfig("healthcheck", healthUsage, args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthWithin)
	defer cancel()
	return askHealth(ctx, c, probe, stdout)
}

func askHealth(ctx context.Context, c *config.Config, probe string, stdout io.Writer) error {
	url := "http://" + localAddress(c.Admin.Listen) + "/" + probe + "z?verbose"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		return fmt.Errorf("%s: %w; is feedd running here?", url, err)
	}
	defer answer.Body.Close() // was only read
	text, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("not %s: %s", probe, strings.TrimSpace(string(text)))
	}
	_, err = stdout.Write(text)
	return err
}

// localAddress turns the address of a listener into one that can be asked on this machine.
func localAddress(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
