package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/feedd/feedd/admin/client"
	"github.com/feedd/feedd/admin/control"
	"github.com/feedd/feedd/internal/spelling"
	"github.com/feedd/feedd/policy"
)

const policyUsage = `
Usage: feedd policy ACTION [flags]

Shows and changes the throttle policy of a running feedd over its admin listener; docs/policy.md tells what a policy
says. Every change takes a reason and is recorded with the name of whoever makes it.

Actions:
  show [REVISION]        the policy in force, and which nodes run it; or an earlier one
  validate FILE          judge a policy, without a server
  dry-run FILE           what it would do to the sessions of the node
  apply FILE             put it in force; --for makes it temporary
  history                who changed what, and why
  rollback REVISION      put an earlier one in force again
  stop SYMBOL...         kill switch: send nothing of these, until it is released; --for ends it by itself
  release NAME           release a kill switch
  explain SYMBOL         what a session would be granted, and the rule that decides
  example                print a policy that shows what there is

Examples:
  feedd policy dry-run next.yaml
  feedd policy apply next.yaml --reason 'half the rate while the link is down' --for 30m
  feedd policy stop 'binance:LUNA*' --reason 'bad prices' --name luna
  feedd policy explain binance:BTCUSDT --tier free --channel book
  feedd policy rollback 41 --reason 'that was too slow' --admin-url https://feedd-1:8081 --admin-token-file ~/.feedd-token
`

// policyTask is one call of feedd policy.
type policyTask struct {
	out                         io.Writer
	url, tokenFile              *string
	reason, name, tier, channel *string
	cadence, depth              *string
	lasts                       *time.Duration
	revision                    *int64
	args                        []string
}

// policyActions are what feedd policy can do, with the number of arguments: at least and at most.
var policyActions = map[string]struct {
	least, most int
	run         func(t *policyTask, ctx context.Context) error
}{
	"show": {0, 1, (*policyTask).show}, "validate": {1, 1, (*policyTask).validate}, "dry-run": {1, 1, (*policyTask).dryRun},
	"apply": {1, 1, (*policyTask).apply}, "history": {0, 0, (*policyTask).history}, "rollback": {1, 1, (*policyTask).rollback},
	"stop": {1, 1000, (*policyTask).stop}, "release": {1, 1, (*policyTask).release}, "explain": {1, 1, (*policyTask).explain},
	"example": {0, 0, (*policyTask).example},
}

func policyCommand(ctx context.Context, args []string, stdout, _ io.Writer) error {
	fs := newFlagSet("policy", policyUsage)
	t := &policyTask{out: stdout}
	t.url = fs.String("admin-url", "http://127.0.0.1:8081", "`URL` of the admin listener")
	t.tokenFile = fs.String("admin-token-file", "", "`FILE` with your operator's token")
	t.reason = fs.String("reason", "", "`TEXT` for the record: why")
	t.lasts = fs.Duration("for", 0, "`DURATION` after which a change, or a stop, ends by itself; 0 for good")
	t.revision = fs.Int64("if-revision", -1, "`NUMBER` of the revision that this is a change of; below 0 takes the newest")
	t.name = fs.String("name", "", "`NAME` of a stop; empty makes one")
	t.tier = fs.String("tier", "", "`TIER` that a stop is for, or that is explained; empty means all, or the default one")
	t.channel = fs.String("channel", "", "`CHANNEL` that a stop is for, or that is explained; empty means all, or quote")
	t.cadence = fs.String("cadence-ms", "", "`MILLISECONDS` that are wished for, in explain")
	t.depth = fs.String("depth", "", "`LEVELS` of a book that are wished for, in explain")
	words, err := parseMixed(fs, args)
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return usagef("policy needs an action, such as: feedd policy show; \"feedd help policy\" lists all")
	}
	action, ok := policyActions[words[0]]
	if !ok {
		return unknownAction(words[0])
	}
	if t.args = words[1:]; len(t.args) < action.least || len(t.args) > action.most {
		return usagef("policy %s got %d arguments: see \"feedd help policy\"", words[0], len(t.args))
	}
	return action.run(t, ctx)
}

func unknownAction(name string) error {
	var names []string
	for known := range policyActions {
		names = append(names, known)
	}
	if near := spelling.Nearest(name, names); near != "" {
		return usagef("unknown action %q of policy: did you mean %q?", name, near)
	}
	return usagef("unknown action %q of policy: \"feedd help policy\" lists those there are", name)
}

// parseMixed is parseFlags for a command whose flags may stand between its arguments, which it returns.
func parseMixed(fs *flag.FlagSet, args []string) (words []string, err error) {
	if err := parseFlags(fs, args); err != nil {
		return nil, err
	}
	for fs.NArg() > 0 {
		words = append(words, fs.Arg(0))
		if err := parseArgs(fs, fs.Args()[1:]); err != nil {
			return nil, err
		}
	}
	return words, nil
}

func (t *policyTask) client() (*client.Client, error) {
	c, err := client.New(*t.url, *t.tokenFile)
	if err != nil {
		return nil, usagef("cannot reach the admin listener: %w; see --admin-url and --admin-token-file", err)
	}
	return c, nil
}

// write returns what every change needs, and asks for the newest revision where none is given.
func (t *policyTask) write(ctx context.Context, c *client.Client) (w policy.Write, err error) {
	if err := t.needReason(); err != nil {
		return w, err
	}
	w = policy.Write{Reason: *t.reason, For: *t.lasts, Expected: uint64(max(0, *t.revision))}
	if *t.revision < 0 {
		s, err := c.Status(ctx)
		if err != nil {
			return w, err
		}
		w.Expected = s.Newest
	}
	return w, nil
}

func (t *policyTask) needReason() error {
	if strings.TrimSpace(*t.reason) == "" {
		return usagef("say why, for the record: --reason TEXT")
	}
	return nil
}

func (t *policyTask) number() (uint64, error) {
	n, err := strconv.ParseUint(t.args[0], 10, 64)
	if err != nil {
		return 0, usagef("bad revision %q: want a number, as in feedd policy history", t.args[0])
	}
	return n, nil
}

func (t *policyTask) show(ctx context.Context) error {
	c, err := t.client()
	if err != nil {
		return err
	}
	if len(t.args) == 0 {
		s, err := c.Status(ctx)
		if err != nil {
			return err
		}
		return t.status(&s, true)
	}
	n, err := t.number()
	if err != nil {
		return err
	}
	v, err := c.Version(ctx, n)
	if err != nil {
		return err
	}
	return t.say("# %s\n%s", about(&v), v.Text)
}

// about is a version in a line.
func about(v *policy.Version) string {
	line := fmt.Sprintf("revision %d: %s", v.Revision, v.Kind)
	if v.Of != 0 {
		line += fmt.Sprintf(" of %d", v.Of)
	}
	if v.Actor != "" {
		line += " by " + v.Actor
	}
	if !v.Time.IsZero() {
		line += ", " + v.Time.Format(time.RFC3339)
	}
	if !v.Expires.IsZero() {
		line += ", until " + v.Expires.Format(time.RFC3339)
	}
	if v.Reason != "" {
		line += ": " + v.Reason
	}
	return line
}

func (t *policyTask) say(format string, args ...any) error {
	_, err := fmt.Fprintf(t.out, format, args...)
	return err
}

func (t *policyTask) status(s *client.Status, withText bool) error {
	text := "# " + about(&s.Version) + "\n"
	if s.Stale {
		text += "# the source cannot be reached: this is the last good copy\n"
	}
	if s.Refused != nil {
		text += fmt.Sprintf("# revision %d is refused:\n#   %s\n", s.Refused.Revision, strings.ReplaceAll(s.Refused.Problems.Error(), "\n", "\n#   "))
	}
	for _, n := range s.Nodes {
		text += fmt.Sprintf("# node %s: revision %d %s, %d sessions\n", n.Node, n.Revision, n.State, n.Sessions)
	}
	if withText {
		text += s.Version.Text
	}
	return t.say("%s", text)
}

// file reads the policy of the first argument; - is the standard input.
func (t *policyTask) file() ([]byte, error) {
	read := func() ([]byte, error) { return os.ReadFile(t.args[0]) }
	if t.args[0] == "-" {
		read = func() ([]byte, error) { return io.ReadAll(io.LimitReader(os.Stdin, policy.MaxBytes+1)) }
	}
	text, err := read()
	if err != nil {
		return nil, usagef("cannot read the policy: %w", err)
	}
	return text, nil
}

// refusedError says where a file is wrong, as compilers do.
func refusedError(name string, problems policy.Problems) error {
	var all []error
	for _, p := range problems {
		if p.Path != "" {
			p.Text = p.Path + ": " + p.Text
		}
		all = append(all, fmt.Errorf("%s:%d: %s", name, max(1, p.Line), p.Text))
	}
	return errors.Join(all...)
}

func (t *policyTask) validate(context.Context) error {
	text, err := t.file()
	if err != nil {
		return err
	}
	if _, err := policy.Parse(text); err != nil {
		return refusedError(t.args[0], policy.ProblemsOf(err))
	}
	return t.say("%s is in order\n", t.args[0])
}

func (t *policyTask) dryRun(ctx context.Context) error {
	text, err := t.file()
	if err != nil {
		return err
	}
	c, err := t.client()
	if err != nil {
		return err
	}
	v, err := c.DryRun(ctx, text)
	if err != nil {
		return err
	}
	if !v.Valid {
		return refusedError(t.args[0], v.Problems)
	}
	return t.say("%s", effectText(v.Effect))
}

// effectText says what a policy would do in a few lines.
func effectText(e *control.Effect) string {
	var b strings.Builder
	fmt.Fprintf(&b, "would change %d of %d lanes, of %d of %d sessions\n", e.Lanes, e.OfLanes, e.Sessions, e.OfSessions)
	for _, m := range e.Moves {
		fmt.Fprintf(&b, "  %s: %d subscriptions of %d sessions from %s to %s\n", m.Tier, m.Subscriptions, m.Sessions, m.From, m.To)
	}
	if e.Withdrawn > 0 {
		fmt.Fprintf(&b, "  %d subscriptions would end\n", e.Withdrawn)
	}
	if e.Replaced > 0 {
		fmt.Fprintf(&b, "  %d subscriptions would go on in another view\n", e.Replaced)
	}
	if e.NotLookedAt > 0 {
		fmt.Fprintf(&b, "  %d sessions were in the middle of a request and are not in these numbers\n", e.NotLookedAt)
	}
	fmt.Fprintf(&b, "traffic, as far as can be told: %.0f frames/s now, %.0f then; %.0f bytes/s now, %.0f then\n", e.Frames.Now, e.Frames.Then, e.Bytes.Now, e.Bytes.Then)
	return b.String()
}

func (t *policyTask) apply(ctx context.Context) error {
	text, err := t.file()
	if err != nil {
		return err
	}
	if _, err := policy.Parse(text); err != nil {
		return refusedError(t.args[0], policy.ProblemsOf(err))
	}
	return t.change(ctx, func(c *client.Client, w policy.Write) (client.Status, error) { return c.Apply(ctx, text, w) })
}

func (t *policyTask) rollback(ctx context.Context) error {
	n, err := t.number()
	if err != nil {
		return err
	}
	return t.change(ctx, func(c *client.Client, w policy.Write) (client.Status, error) { return c.Rollback(ctx, n, w) })
}

// change makes a write and says what came of it.
func (t *policyTask) change(ctx context.Context, do func(*client.Client, policy.Write) (client.Status, error)) error {
	c, err := t.client()
	if err != nil {
		return err
	}
	w, err := t.write(ctx, c)
	if err != nil {
		return err
	}
	s, err := do(c, w)
	if err != nil {
		return err
	}
	return t.status(&s, false)
}

func (t *policyTask) history(ctx context.Context) error {
	c, err := t.client()
	if err != nil {
		return err
	}
	versions, err := c.History(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	for i := range versions {
		v := &versions[i]
		kind := string(v.Kind)
		if v.Of != 0 {
			kind += fmt.Sprintf(" of %d", v.Of)
		}
		at := ""
		if !v.Time.IsZero() {
			at = v.Time.Format(time.DateTime)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\n", v.Revision, at, kind, v.Actor, v.Reason)
	}
	return w.Flush()
}

func (t *policyTask) stop(ctx context.Context) error {
	if err := t.needReason(); err != nil {
		return err
	}
	r := control.StopRequest{Name: *t.name, Symbols: t.args}
	if *t.tier != "" {
		r.Tiers = []string{*t.tier}
	}
	if *t.channel != "" {
		r.Channels = []string{*t.channel}
	}
	if *t.lasts != 0 {
		r.For = t.lasts.String()
	}
	c, err := t.client()
	if err != nil {
		return err
	}
	s, err := c.Stop(ctx, r, *t.reason)
	if err != nil {
		return err
	}
	return t.status(&s, true)
}

func (t *policyTask) release(ctx context.Context) error {
	if err := t.needReason(); err != nil {
		return err
	}
	c, err := t.client()
	if err != nil {
		return err
	}
	s, err := c.Release(ctx, t.args[0], *t.reason)
	if err != nil {
		return err
	}
	return t.status(&s, false)
}

func (t *policyTask) explain(ctx context.Context) error {
	c, err := t.client()
	if err != nil {
		return err
	}
	e, err := c.Explain(ctx, url.Values{"symbol": {t.args[0]}, "tier": {*t.tier}, "channel": {*t.channel}, "cadence_ms": {*t.cadence}, "depth": {*t.depth}})
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s of %s for tier %s: %s, %s", e.Channel, e.Symbol, e.Tier, cmp.Or(e.Cadence, "nothing"), e.Reason)
	if e.Depth != "" {
		text += ", depth " + e.Depth
	}
	if e.SizeChanges != "" {
		text += ", changes of sizes alone every " + e.SizeChanges
	}
	if e.Timeliness != "realtime" {
		text += ", data: " + e.Timeliness
	}
	if e.Rule != "" {
		text += fmt.Sprintf("\ndecided by rule %s on line %d", e.Rule, e.Line)
	} else {
		text += fmt.Sprintf("\ndecided by the tier on line %d", e.Line)
	}
	if e.Stop != "" {
		text += ", and stopped by " + e.Stop
	}
	return t.say("%s\n", text)
}

func (t *policyTask) example(context.Context) error { return t.say("%s", policy.Example) }
