package control

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/feedd/feedd/policy"
	"github.com/feedd/feedd/usage"
)

// Revocation is whom to shut out, on all nodes: one of them.
type Revocation struct {
	User    string `json:"user"`
	Token   string `json:"token"`   // by its id (jti)
	Session string `json:"session"` // one connection; its token stays good
}

// ErrNoTokens is what a node says that asks nobody who he is.
var ErrNoTokens = errors.New("this node takes no tokens, so it knows no users")

// Gate is a node's hold on who may come in. Its methods may be called from any goroutine.
type Gate interface {
	// Revoke shuts somebody out on all nodes. It fails with ErrNoTokens, or with policy.ErrUnavailable joined with why.
	Revoke(ctx context.Context, r Revocation, reason string) error
	// Usage returns who held what on a day, today with "", and the days that there are. It fails with ErrNoTokens or
	// fs.ErrNotExist.
	Usage(date string) (day usage.Day, dates []string, err error)
}

func (a *api) revoke(r *http.Request, w policy.Write) (target string, err error) {
	var order Revocation
	if err := decode(r, &order); err != nil {
		return "", err
	}
	given := 0
	for what, name := range map[string]string{"user": order.User, "token": order.Token, "session": order.Session} {
		if name != "" {
			given++
			target = what + " " + name
		}
	}
	if given != 1 {
		return target, failf(http.StatusBadRequest, "want exactly one of user, token and session")
	}
	return target, a.gate(a.Node.Revoke(r.Context(), order, w.Reason))
}

// usageBody is a day as it is answered.
type usageBody struct {
	Node   string       `json:"node"`
	Date   string       `json:"date"`
	Dates  []string     `json:"dates"` // that there are
	Totals []usageTotal `json:"totals"`
	Rows   []usageRow   `json:"rows"`
	Merged uint64       `json:"merged"` // changes counted under "(others)" for lack of room
}

type usageTotal struct {
	Venue   string  `json:"venue"`
	Channel string  `json:"channel"`
	DelayS  float64 `json:"delay_s"`
	Users   int     `json:"users"`
	Seconds float64 `json:"instrument_seconds"`
}

type usageRow struct {
	User    string  `json:"user"`
	Venue   string  `json:"venue"`
	Channel string  `json:"channel"`
	DelayS  float64 `json:"delay_s"`
	Begun   uint64  `json:"taken_up"`
	Peak    int     `json:"peak_instruments"`
	Held    int     `json:"instruments"`
	Seconds float64 `json:"instrument_seconds"`
}

func (a *api) usage(_ http.ResponseWriter, r *http.Request) (any, error) {
	day, dates, err := a.Node.Usage(r.URL.Query().Get("date"))
	if err := a.gate(err); err != nil {
		return nil, err
	}
	if r.URL.Query().Get("format") == "csv" || strings.Contains(r.Header.Get("Accept"), "text/csv") {
		var text strings.Builder
		if err := day.WriteCSV(&text); err != nil {
			return nil, err
		}
		return raw{"text/csv; charset=utf-8", text.String()}, nil
	}
	b := usageBody{Node: a.Name, Date: day.Date, Dates: append([]string{}, dates...), Totals: []usageTotal{}, Rows: []usageRow{}, Merged: day.Merged}
	for _, t := range day.Totals() {
		b.Totals = append(b.Totals, usageTotal{t.Venue, t.Channel.String(), t.Delay.Seconds(), t.Users, millis(t.Holding)})
	}
	for _, u := range day.Rows {
		b.Rows = append(b.Rows, usageRow{u.User, u.Venue, u.Channel.String(), u.Delay.Seconds(), u.Begun, u.Peak, u.Held, millis(u.Holding)})
	}
	return b, nil
}

// millis is a duration in seconds with three decimals.
func millis(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

// gate makes a failure of what a Gate says.
func (a *api) gate(err error) error {
	switch {
	case errors.Is(err, ErrNoTokens):
		return failf(http.StatusConflict, "%v", err)
	case errors.Is(err, fs.ErrNotExist):
		return failf(http.StatusNotFound, "nothing is kept of that day: GET /v1/usage has the dates")
	}
	return err
}
