package params

import (
	"math"

	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// Subscribe reads the parameters that a subscription in a URL has, whatever it is for. Those with bounds of their own are
// checked where it is carried out.
func (p *Query) Subscribe() *feedv1.Subscribe {
	m := &feedv1.Subscribe{
		Symbols:    p.Words("symbols"),
		Channels:   p.Words("channels"),
		Depth:      uint32(p.Number("depth", 0, math.MaxUint32, 0)),
		PriceGroup: p.Number("price_group", 0, math.MaxInt64, 0),
		BarSeconds: uint32(p.Number("bar_seconds", 0, math.MaxUint32, 0)),
	}
	switch text, given := p.Text("timeliness"); {
	case text == "realtime":
		m.Timeliness = feedv1.Timeliness_TIMELINESS_REAL_TIME
	case text == "delayed":
		m.Timeliness = feedv1.Timeliness_TIMELINESS_DELAYED
	case given:
		p.Fail("timeliness %q: want realtime or delayed", text)
	}
	m.History = p.optional("history")
	return m
}

// Stream reads what a subscription that lasts has beyond those.
func (p *Query) Stream(m *feedv1.Subscribe) {
	m.CadenceMs = p.optional("cadence_ms")
	m.SizeCadenceMs = uint32(p.Number("size_cadence_ms", 0, math.MaxUint32, 0))
	switch text, given := p.Text("trade_summary"); {
	case text == "true", text == "1":
		m.TradeSummary = true
	case given && text != "false" && text != "0":
		p.Fail("trade_summary %q: want true or false", text)
	}
}

// optional returns a number that may be left out, and means something else then than 0.
func (p *Query) optional(name string) *uint32 {
	n := p.Number(name, 0, math.MaxUint32, -1)
	if n < 0 {
		return nil
	}
	v := uint32(n)
	return &v
}
