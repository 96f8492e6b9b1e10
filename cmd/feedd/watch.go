package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/feedd/feedd/internal/build"
	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/internal/watch"
	"github.com/feedd/feedd/market"
)

const watchUsage = `
Usage: feedd watch [flags] SYMBOL...

Shows live prices: as a table in a terminal (q quits), as one line for each row elsewhere. With the channels book and
bar the terminal shows the book of the first symbol as a ladder, and its bars, below the table.

Examples:
  feedd watch test:FAKE 'sim:*'                             two wishes, one with a pattern
  feedd watch --cadence 0 --channels trade binance:BTCUSDT  every trade, at once
  feedd watch --channels quote,book --depth 20 sim:BTC-USD   a book as a ladder
  feedd watch --channels quote,bar --bar 1s sim:BTC-USD      bars of a second
  feedd watch 'sim:*USD' | grep -c trade                    lines for other programs
`

func watchCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := newFlagSet("watch", watchUsage)
	url := fs.String("url", "ws://127.0.0.1:8080/v1/ws", "`URL` of the server's WebSocket")
	token := fs.String("token", "", "`TOKEN` that says who you are, for servers that want to know")
	cadence := fs.Duration("cadence", 250*time.Millisecond, "time between two updates, 0 for at once; the server rounds it")
	channels := fs.String("channels", "quote,trade", "`list` of channels, separated by commas: quote, trade, book, bar, stats, status")
	depth := fs.Uint("depth", 10, "`levels` a side of books: 1, 5, 10, 20, 50, 100, or 0 for all")
	bar := fs.Duration("bar", time.Minute, "length of bars: 1s, 1m, 5m, 15m, 1h or 24h")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		return usagef("watch needs a SYMBOL or more, such as: feedd watch test:FAKE 'sim:*'")
	}
	if *cadence < 0 || *cadence > time.Hour {
		return usagef("bad value %v for --cadence: want a duration from 0 to 1h", *cadence)
	}
	if !strings.HasPrefix(*url, "ws://") && !strings.HasPrefix(*url, "wss://") {
		return usagef("bad value %q for --url: want ws://HOST:PORT/v1/ws", *url)
	}
	wished, err := parseChannels(*channels)
	if err != nil {
		return err
	}
	if err := checkView(*depth, *bar); err != nil {
		return err
	}
	for _, symbol := range fs.Args() {
		if !strings.Contains(symbol, "*") && !strings.HasPrefix(symbol, "@") {
			if _, err := market.ParseSymbol(symbol); err != nil {
				return usagef("%w", err)
			}
		}
	}
	o := watch.Options{
		URL: *url, Token: *token, Name: "feedd watch " + build.Version(), Symbols: fs.Args(), Channels: wished, Cadence: *cadence,
		Depth: uint32(*depth), Bar: *bar,
	}
	if file, ok := stdout.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		err = watchScreen(ctx, o, file)
	} else {
		err = watchLines(ctx, o, stdout, stderr)
	}
	var refused *client.Error
	if errors.As(err, &refused) {
		return usagef("%s", refused.Text)
	}
	return err
}

func parseChannels(list string) (names []string, err error) {
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		switch market.ParseChannel(name) {
		case market.ChannelQuote, market.ChannelTrade, market.ChannelBook, market.ChannelBar, market.ChannelStats, market.ChannelStatus:
			names = append(names, name)
		default:
			return nil, usagef("bad channel %q in --channels: want quote, trade, book, bar, stats or status", name)
		}
	}
	return names, nil
}

func checkView(depth uint, bar time.Duration) error {
	if depth != 0 && (depth > 100 || !slices.Contains(market.Depths[:], uint8(depth))) {
		return usagef("bad value %d for --depth: want 1, 5, 10, 20, 50, 100, or 0 for all", depth)
	}
	if bar%time.Second != 0 || bar > 24*time.Hour || bar <= 0 || !slices.Contains(market.Intervals[:], uint32(bar/time.Second)) {
		return usagef("bad value %v for --bar: want 1s, 1m, 5m, 15m, 1h or 24h", bar)
	}
	return nil
}

// lineView writes rows to stdout and what happens to the connection to stderr.
type lineView struct {
	lines  *watch.Lines
	stderr io.Writer
	stop   context.CancelCauseFunc // called when stdout takes no more
}

func (v *lineView) Updated(u *client.Update) {
	if err := v.lines.Apply(u); err != nil {
		v.stop(err)
	}
}

func (v *lineView) Connected(granted time.Duration, refused []string) {
	fmt.Fprintf(v.stderr, "feedd: connected, updates %s\n", watch.CadenceText(granted))
	for _, r := range refused {
		fmt.Fprintln(v.stderr, "feedd: refused:", r)
	}
}

func (v *lineView) Lost(err error, retry time.Duration) {
	fmt.Fprintf(v.stderr, "feedd: %v; trying again in %v\n", err, retry.Round(100*time.Millisecond))
}

func watchLines(ctx context.Context, o watch.Options, stdout, stderr io.Writer) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	err := watch.Run(ctx, o, &lineView{lines: watch.NewLines(stdout), stderr: stderr, stop: stop})
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// watchScreen gives the terminal to the table, and back at the end. The keyboard is read from the
// terminal itself, since stdin may be something else.
func watchScreen(ctx context.Context, o watch.Options, out *os.File) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if tty, err := os.OpenFile("/dev/tty", os.O_RDONLY, 0); err == nil {
		defer tty.Close()
		if restore := makeRaw(tty); restore != nil {
			defer restore()
			go quitOnKey(tty, stop)
		}
	}
	screen := watch.NewScreen(out, o.URL, func() (width, height int) {
		width, height, err := term.GetSize(int(out.Fd()))
		if err != nil {
			return 80, 24
		}
		return width, height
	})
	defer screen.Close()
	err := watch.Run(ctx, o, screen)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// makeRaw has the terminal hand over keys as they are pressed. It returns how to undo that, or nil where
// it is not possible. (*os.File).Fd would make reads block for good, so the descriptor is borrowed.
func makeRaw(tty *os.File) (restore func()) {
	raw, err := tty.SyscallConn()
	if err != nil {
		return nil
	}
	_ = raw.Control(func(fd uintptr) {
		before, err := term.MakeRaw(int(fd))
		if err != nil {
			return
		}
		restore = func() { _ = raw.Control(func(fd uintptr) { _ = term.Restore(int(fd), before) }) }
	})
	return restore
}

// quitOnKey reads keys until q, Ctrl-C, Ctrl-D or the end of the terminal, which closing it brings about.
func quitOnKey(tty *os.File, quit func()) {
	defer quit()
	key := make([]byte, 1)
	for {
		if _, err := tty.Read(key); err != nil {
			return
		}
		switch key[0] {
		case 'q', 'Q', 3, 4:
			return
		}
	}
}
