package session_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/feedd/feedd/entitlement"
	"github.com/feedd/feedd/fanout"
	"github.com/feedd/feedd/internal/drop"
	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/session"
)

var rewrite = flag.Bool("rewrite", false, "write what happened into testdata and PROTOCOL.md instead of comparing")

// TestTranscripts plays the client's side of the conversations in testdata and compares everything that the
// session says and does. In a transcript,
//
//	< …   is a message from the client
//	> …   a message to the client
//	! …   a call to the engine or the connection
//	# …   something that happens around the session:
//	        policy NAME N    a limit of the policy, ahead of everything else
//	        apply POLICY     a policy comes into force, in the flow form of YAML
//	        time +10s        time passes, and the session is told
//	        repeat N MESSAGE the client sends a message N times
//	        goaway REASON MIN MAX, wake, end, connection full
//	        connection blocked N  it takes nothing for N percent of the time from now on
//	        ceiling short      rows wait for it; slow: so long that a slower cadence would do; fine: none does
//	        engine full      it gives out no handles of further views
//	        define SYMBOL WORD…  an instrument comes or changes; a word is its new description, or source=…, delisted
//	        list NAME SYMBOL…  a list comes or changes
//	        refresh            the session is told of both
//	        delayed D SYMBOL…  there is a feed so far back, which knows these instruments; their handles begin with 500000000
//	        token NAME USER D RULE; RULE   a token that is good for a time, and the server wants one from everybody
//	        anonymous RULE; RULE           nobody needs one
//	        tokens away        whether any is good cannot be found out
//	        revoke USER        a user is shut out
//	        busy N             the connection is ready again after N-1 looks
//	// …  words for the reader
//
// Each runs on both subprotocols, except those whose name begins with json, which hold messages that only
// JSON can say. go test -run Transcripts -rewrite writes the session's side anew.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name+"/json", func(t *testing.T) { play(t, file, fanout.JSON) })
		if !strings.HasPrefix(name, "json") {
			t.Run(name+"/proto", func(t *testing.T) { play(t, file, fanout.Proto) })
		}
	}
}

func play(t *testing.T, file string, e fanout.Encoding) {
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	stage := &stage{t: t, place: newPlace(exchange()), encoding: e}
	stage.conn.log = func(payload []byte) { stage.line("> %s", readable(t, e, payload)) }
	stage.engine.log = func(format string, args ...any) { stage.line("! "+format, args...) }
	for line := range strings.Lines(string(want)) {
		line = strings.TrimSuffix(line, "\n")
		mark, rest, _ := strings.Cut(line, " ")
		if mark == ">" || mark == "!" {
			continue
		}
		stage.line("%s", line)
		switch mark {
		case "<":
			stage.receive(rest)
		case "#":
			stage.happen(rest)
		case "//", "":
		default:
			t.Fatalf("%s: a line begins with %q", file, mark)
		}
		stage.noteClose()
	}
	if stage.engine.fault != "" {
		t.Errorf("engine: %s", stage.engine.fault)
	}
	if *rewrite && e == fanout.JSON {
		if err := os.WriteFile(file, stage.out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got := stage.out.String(); got != string(want) {
		t.Errorf("%s does not say what happened; -rewrite writes this:\n%s", file, got)
	}
}

// stage is where a transcript is played.
type stage struct {
	*place
	t        *testing.T
	encoding fanout.Encoding
	session  *session.Session
	out      bytes.Buffer
	closed   int
	blocked  int // percent of the time
}

func (s *stage) line(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

func (s *stage) play() *session.Session {
	if s.session == nil {
		s.session = s.place.open(s.encoding)
	}
	return s.session
}

func (s *stage) receive(message string) {
	payload := []byte(message)
	if s.encoding == fanout.Proto {
		var f feedv1.ClientFrame
		if err := protojson.Unmarshal(payload, &f); err != nil {
			s.t.Fatalf("%s: %v", message, err)
		}
		payload, _ = proto.Marshal(&f)
	}
	s.play().Receive(payload)
}

func (s *stage) happen(text string) {
	words := strings.Fields(text)
	switch words[0] {
	case "policy":
		s.policy(words[1], words[2])
	case "apply":
		s.play()
		s.env.Policy.Replace(compiled(s.t, strings.TrimPrefix(text, "apply ")))
	case "time":
		s.play()
		d, err := time.ParseDuration(words[1])
		if err != nil {
			s.t.Fatal(err)
		}
		for ; d > 0; d -= time.Second { // a look a second, as in life
			step := min(d, time.Second)
			s.now += step.Microseconds()
			s.engine.load.Blocked += step * time.Duration(s.blocked) / 100
			s.session.Tick(s.now)
		}
	case "repeat":
		n, _ := strconv.Atoi(words[1])
		for range n {
			s.receive(strings.Join(words[2:], " "))
		}
	case "goaway":
		lo, _ := time.ParseDuration(words[2])
		hi, _ := time.ParseDuration(words[3])
		s.play().GoAway(words[1], lo, hi)
	case "wake":
		s.play().Wake()
	case "end":
		s.play().End()
	case "connection":
		s.conn.full = words[1] == "full"
		if words[1] == "blocked" {
			s.blocked, _ = strconv.Atoi(words[2])
		}
	case "ceiling":
		s.engine.load.Short, s.engine.load.Slow = words[1] != "fine", words[1] == "slow"
	case "define":
		s.define(words[1], words[2:])
	case "list":
		s.lists.set(words[1], words[2:])
	case "busy":
		s.conn.busy, _ = strconv.Atoi(words[1])
	case "refresh":
		if !s.play().Refresh() {
			s.line("! unfinished")
		}
	case "delayed":
		s.delay(words[1], words[2:])
	case "token":
		s.token(words[1], words[2], words[3], strings.Join(words[4:], " "))
	case "anonymous":
		s.people().anonymous = &entitlement.Identity{May: s.rules(strings.Join(words[1:], " "))}
	case "tokens":
		s.people().away = words[1] == "away"
	case "revoke":
		s.people().revoked = words[1]
		if s.session != nil && s.session.Identity() != nil && s.env.Access.Revoked(s.session.Identity()) {
			s.session.Revoke("told to")
		}
	case "engine":
		s.engine.full = words[1] == "full"
	case "counters":
		for r := range drop.Reasons {
			if n := s.env.Counters.Count(r); n > 0 {
				s.line("! %v %d", r, n)
			}
		}
	default:
		s.t.Fatalf("unknown event %q", text)
	}
}

func (s *stage) delay(by string, symbols []string) {
	d, err := time.ParseDuration(by)
	if err != nil {
		s.t.Fatal(err)
	}
	directory := &fakeDirectory{}
	for _, text := range symbols {
		sym, err := market.ParseSymbol(text)
		if err != nil {
			s.t.Fatal(err)
		}
		id, known := s.directory.Lookup(sym)
		if !known {
			s.t.Fatalf("%s is not known in real time", text)
		}
		directory.define(s.directory.Instrument(id))
	}
	e := newFakeEngine(directory)
	e.base, e.log = 500_000_000, s.engine.log
	s.env.Delayed = append(s.env.Delayed, session.Feed{Delay: d, Engine: e, Directory: directory, FirstHandle: e.base})
}

func (s *stage) people() *fakeAccess {
	if s.access.tokens == nil {
		s.access.tokens = make(map[string]*entitlement.Identity)
		s.env.Access, s.env.Users = s.access, session.NewUsers()
	}
	return s.access
}

func (s *stage) token(name, user, lasts, rules string) {
	d, err := time.ParseDuration(lasts)
	if err != nil {
		s.t.Fatal(err)
	}
	s.people().tokens[name] = &entitlement.Identity{User: user, Token: name, Expires: s.now + d.Microseconds(), May: s.rules(rules)}
}

func (s *stage) rules(text string) *entitlement.Set {
	var rules []string
	for rule := range strings.SplitSeq(text, ";") {
		if strings.TrimSpace(rule) != "" {
			rules = append(rules, rule)
		}
	}
	set, err := entitlement.Parse(rules)
	if err != nil {
		s.t.Fatal(err)
	}
	return set
}

func (s *stage) define(symbol string, words []string) {
	sym, err := market.ParseSymbol(symbol)
	if err != nil {
		s.t.Fatal(err)
	}
	in := market.Instrument{Symbol: sym, Source: sym.Venue, PriceScale: 2, PriceStep: 1, SizeStep: 1}
	if id, known := s.directory.Lookup(sym); known {
		in = s.directory.Instrument(id)
	}
	for _, word := range words {
		source, isSource := strings.CutPrefix(word, "source=")
		switch {
		case isSource:
			in.Source = source
		case word == "delisted":
			in.Delisted = true
		default:
			in.Description = word
		}
	}
	s.directory.define(in)
}

func (s *stage) policy(name, value string) {
	n, err := strconv.Atoi(value)
	if err != nil {
		s.t.Fatal(err)
	}
	p := s.tier()
	field := map[string]*int{
		"subscriptions": &p.Subscriptions, "symbols": &p.SymbolsPerRequest, "requests": &p.RequestsPerSecond, "burst": &p.RequestBurst,
		"sessions": &p.SessionsPerUser,
	}[name]
	if field == nil {
		s.t.Fatalf("unknown policy %q", name)
	}
	*field = n
}

func (s *stage) noteClose() {
	for ; s.closed < len(s.conn.closed); s.closed++ {
		code := s.conn.closed[s.closed]
		s.line("! close %d %v: %s", code, code, s.conn.reason)
	}
}

// readable returns a frame as one line of JSON, the same for both encodings.
func readable(t fataler, e fanout.Encoding, payload []byte) string {
	b, err := protojson.Marshal(decodeServer(t, e, payload))
	if err != nil {
		t.Fatal(err)
	}
	var line bytes.Buffer
	if err := json.Compact(&line, b); err != nil {
		t.Fatal(err)
	}
	return line.String()
}

func decodeServer(t fataler, e fanout.Encoding, payload []byte) *feedv1.ServerFrame {
	f := new(feedv1.ServerFrame)
	var err error
	if e == fanout.JSON {
		err = protojson.Unmarshal(payload, f)
	} else {
		err = proto.Unmarshal(payload, f)
	}
	if err != nil {
		t.Fatalf("the session sent %q: %v", payload, err)
	}
	return f
}
