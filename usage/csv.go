package usage

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/feedd/feedd/market"
)

var columns = []string{"date", "user", "venue", "channel", "delay_s", "taken_up", "peak_instruments", "instruments", "instrument_seconds"}

// WriteCSV writes a day as a table with a line of names.
func (d *Day) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write(columns); err != nil {
		return err
	}
	for _, r := range d.Rows {
		if err := out.Write([]string{
			d.Date, harmless(r.User), r.Venue, r.Channel.String(), strconv.FormatFloat(r.Delay.Seconds(), 'f', -1, 64),
			strconv.FormatUint(r.Begun, 10), strconv.Itoa(r.Peak), strconv.Itoa(r.Held), strconv.FormatFloat(r.Holding.Seconds(), 'f', 3, 64),
		}); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// harmless keeps a spreadsheet from taking a name for a formula.
func harmless(user string) string {
	if user != "" && (user[0] == '=' || user[0] == '+' || user[0] == '-' || user[0] == '@' || user[0] == '\'') {
		return "'" + user
	}
	return user
}

// ReadCSV reads what WriteCSV wrote.
func ReadCSV(r io.Reader) (d Day, err error) {
	in := csv.NewReader(r)
	in.FieldsPerRecord = len(columns)
	if _, err := in.Read(); err != nil {
		return d, fmt.Errorf("usage: the line of names: %w", err)
	}
	for {
		f, err := in.Read()
		if err == io.EOF {
			return d, nil
		}
		if err != nil {
			return d, fmt.Errorf("usage: %w", err)
		}
		row, err := parseRow(f)
		if err == nil && len(d.Rows) > 4*MaxLines {
			err = fmt.Errorf("more than %d lines", 4*MaxLines)
		}
		if err != nil {
			line, _ := in.FieldPos(0)
			return d, fmt.Errorf("usage: line %d: %w", line, err)
		}
		d.Date = f[0]
		d.Rows = append(d.Rows, row)
	}
}

func parseRow(f []string) (r Row, err error) {
	if len(f[1]) > 1 && f[1][0] == '\'' {
		f[1] = f[1][1:]
	}
	r.User, r.Venue, r.Channel = f[1], f[2], market.ParseChannel(f[3])
	if r.Channel == market.ChannelNone {
		return r, fmt.Errorf("channel %q", f[3])
	}
	number := func(text string) float64 {
		v, e := strconv.ParseFloat(text, 64)
		if e == nil && !(v >= 0 && v < 1e15) {
			e = fmt.Errorf("number %q", text)
		}
		if e != nil && err == nil {
			err = e
		}
		return v
	}
	seconds := func(text string) time.Duration {
		if v := number(text); v < 1e9 {
			return time.Duration(v * float64(time.Second))
		}
		return 0
	}
	r.Delay, r.Begun, r.Peak, r.Held, r.Holding = seconds(f[4]), uint64(number(f[5])), int(number(f[6])), int(number(f[7])), seconds(f[8])
	return r, err
}
