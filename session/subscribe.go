package session

import (
	"fmt"

	"github.com/feedd/feedd/market"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
	"github.com/feedd/feedd/throttle"
)

const (
	// maxChannels a request may name; there are fewer.
	maxChannels = 16
	// maxPatterns and lists a request may hold. Each may look at every instrument, so all but the first also take
	// one from the session's allowance of requests.
	maxPatterns = 8
	// maxSuggestions in an answer; each is a search, and takes one from the allowance too.
	maxSuggestions = 4
)

// request is a subscribe being carried out.
type request struct {
	*Session
	channels   []channelWish
	wish       throttle.Wish
	timeliness timelinessWish
	resume     map[resumeKey]market.Position // taken out as they are used

	results []result
	moves   moves
	paper   *paper // nil: none to share

	patterns, matches, suggestions, texts int
}

type channelWish struct {
	name    string
	channel market.Channel
	view    market.View
	history int              // events to begin with
	code    feedv1.ErrorCode // refused, with text
	text    string
}

type resumeKey struct{ symbol, channel string }

func (s *Session) subscribe(id uint32, m *feedv1.Subscribe) {
	if code, text := s.checkSubscribe(m); text != "" {
		s.refuse(id, code, "%s", text)
		return
	}
	p := papers.Get().(*paper)
	defer p.keep()
	r := s.gather(m, p)
	p.results = r.results[:0]
	if r.reply(id) {
		behind := s.takeResumptions(&r.moves)
		r.moves.run(s.engine)
		s.rebalance()
		s.resume(behind)
	}
}

// gather finds what a request in order names, and holds it. Its results stand on p.
func (s *Session) gather(m *feedv1.Subscribe, p *paper) *request {
	r := &request{
		Session: s, wish: throttle.WishOf(m.CadenceMs), timeliness: timelinessWish(m.Timeliness), channels: s.channelWishes(m),
		paper: p, results: p.results[:0],
	}
	r.moves.expect = len(m.Symbols)
	if m.CadenceMs == nil {
		r.wish = s.standing.wish
	}
	for _, res := range m.Resume {
		if r.resume == nil {
			r.resume = make(map[resumeKey]market.Position)
		}
		r.resume[resumeKey{res.Symbol, res.Channel}] = market.Position{Epoch: market.Epoch(res.Epoch), Sequence: market.Sequence(res.Sequence)}
	}
	if len(s.held.subs) == 0 {
		s.held.expect(min(len(m.Symbols)*len(r.channels), s.tier().Subscriptions))
	}
	for _, text := range m.Symbols {
		if isPattern(text) {
			r.pattern(text)
		} else {
			r.symbol(text)
		}
	}
	r.refuseUnusedResumes(m.Resume)
	return r
}

func (s *Session) checkSubscribe(m *feedv1.Subscribe) (feedv1.ErrorCode, string) {
	limit := s.tier().SymbolsPerRequest
	switch {
	case len(m.Symbols) == 0:
		return feedv1.ErrorCode_ERROR_CODE_BAD_VALUE, `symbols is empty: name instruments, such as "binance:BTCUSDT", a pattern, such as "binance:*", or a list, such as "@majors"`
	case len(m.Symbols) > limit:
		return feedv1.ErrorCode_ERROR_CODE_TOO_MANY_SYMBOLS, fmt.Sprintf("%d symbols in one request: at most %d are allowed", len(m.Symbols), limit)
	case len(m.Resume) > limit:
		return feedv1.ErrorCode_ERROR_CODE_TOO_MANY_SYMBOLS, fmt.Sprintf("%d positions to resume in one request: at most %d are allowed", len(m.Resume), limit)
	case len(m.Channels) > maxChannels:
		return feedv1.ErrorCode_ERROR_CODE_BAD_VALUE, fmt.Sprintf("%d channels in one request: at most %d are allowed", len(m.Channels), maxChannels)
	}
	if text := checkView(m); text != "" {
		return feedv1.ErrorCode_ERROR_CODE_BAD_VALUE, text
	}
	if m.Timeliness < 0 || m.Timeliness > feedv1.Timeliness_TIMELINESS_DELAYED {
		return feedv1.ErrorCode_ERROR_CODE_BAD_VALUE, fmt.Sprintf("timeliness %d: want 1 (real time), 2 (delayed), or 0 for as fresh as you may have it", m.Timeliness)
	}
	for _, res := range m.Resume {
		if res.Channel != market.ChannelTrade.String() {
			return feedv1.ErrorCode_ERROR_CODE_BAD_VALUE, fmt.Sprintf("resume of channel %q: only the channel \"trade\" resumes, the others begin with full rows", clip(res.Channel, market.MaxSymbolLen))
		}
	}
	return 0, ""
}

const channelsKnown = "quote, trade, status, book, bar and stats"

func (s *Session) channelWishes(m *feedv1.Subscribe) (wishes []channelWish) {
	names := m.Channels
	if len(names) == 0 {
		names = []string{market.ChannelQuote.String()}
	}
	for _, name := range names {
		w := channelWish{name: clip(name, market.MaxSymbolLen), channel: market.ParseChannel(name)}
		switch w.channel {
		case market.ChannelNone, market.ChannelDefinition:
			w.code, w.text = feedv1.ErrorCode_ERROR_CODE_UNKNOWN_CHANNEL, fmt.Sprintf("channel %q: this server sends %s", w.name, channelsKnown)
		default:
			w.view, w.history = viewOf(w.channel, m), s.tier().ClampHistory(w.channel, m.History)
		}
		wishes = append(wishes, w)
	}
	return wishes
}

// symbol subscribes one symbol's channels.
func (r *request) symbol(text string) {
	id, code, why := r.lookup(text)
	for _, w := range r.channels {
		switch {
		case w.code != 0:
			r.refusePair(text, w, w.code, w.text)
		case code != 0:
			r.refusePair(text, w, code, why)
		default:
			if code, why := r.acceptPair(id, text, w, ""); code != 0 {
				r.refusePair(text, w, code, why)
			}
		}
	}
}

// lookup returns the instrument of a symbol, or why there is none.
func (r *request) lookup(text string) (market.InstrumentID, feedv1.ErrorCode, string) {
	sym, err := market.ParseSymbol(text)
	if err != nil {
		return 0, feedv1.ErrorCode_ERROR_CODE_BAD_VALUE, err.Error() + r.suggestion(text)
	}
	id, known := r.env.Directory.Lookup(sym)
	if !known {
		return 0, feedv1.ErrorCode_ERROR_CODE_UNKNOWN_SYMBOL, fmt.Sprintf("symbol %q is not known here", text) + r.suggestion(text)
	}
	return id, 0, ""
}

// suggestion returns "; did you mean …?", or nothing.
func (r *request) suggestion(text string) string {
	if r.suggestions >= maxSuggestions || len(text) > market.MaxSymbolLen || !r.allow(r.env.Clock()) {
		return ""
	}
	r.suggestions++
	if similar := similarSymbol(r.directory(), text); similar != "" {
		return fmt.Sprintf("; did you mean %q?", similar)
	}
	return ""
}

func (r *request) noRoom() string {
	return fmt.Sprintf("the session holds its %d subscriptions; unsubscribe some first", r.tier().Subscriptions)
}
