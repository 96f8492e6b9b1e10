package usage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/feedd/feedd/market"
)

const second = int64(time.Second / time.Microsecond)

// start is five seconds ahead of midnight.
var start = time.Date(2026, 1, 2, 23, 59, 55, 0, time.UTC).UnixMicro()

func line(user string) Line { return Line{User: user, Venue: "nyse", Channel: market.ChannelQuote} }

func TestInstrumentSecondsOverMidnight(t *testing.T) {
	m := NewMeter(start)
	m.Change(line("ada"), 2, start)
	m.Change(line("ada"), 1, start+second)
	m.Change(line("ada"), -2, start+3*second)
	m.Change(line(""), 1, start+4*second)
	m.Change(line("ada"), -1, start+7*second) // two seconds into the next day
	days := m.Finished(start + 8*second)
	if len(days) != 1 || days[0].Date != "2026-01-02" {
		t.Fatalf("%+v", days)
	}
	want := []Row{
		{Line: line(Anonymous), Begun: 1, Peak: 1, Held: 1, Holding: time.Second},
		{Line: line("ada"), Begun: 3, Peak: 3, Held: 1, Holding: (2 + 2*3 + 2) * time.Second},
	}
	if !slices.Equal(days[0].Rows, want) {
		t.Errorf("yesterday %+v\nwant %+v", days[0].Rows, want)
	}
	today := m.Today(start + 10*second)
	want = []Row{{Line: line(Anonymous), Peak: 1, Held: 1, Holding: 5 * time.Second}, {Line: line("ada"), Peak: 1, Holding: 2 * time.Second}}
	if today.Date != "2026-01-03" || !slices.Equal(today.Rows, want) {
		t.Errorf("today %+v", today)
	}
	if more := m.Finished(start + 10*second); len(more) != 0 {
		t.Errorf("a day is told twice: %+v", more)
	}
	if totals := days[0].Totals(); len(totals) != 1 || totals[0].Users != 2 || totals[0].Holding != 11*time.Second {
		t.Errorf("%+v", totals)
	}
}

func TestUsersBeyondTheBoundAreAddedUp(t *testing.T) {
	m := NewMeter(start)
	m.most = 3
	for i := range 10 {
		m.Change(line(fmt.Sprint("user ", i)), 1, start)
	}
	for i := range 10 {
		m.Change(line(fmt.Sprint("user ", i)), -1, start+second)
	}
	d := m.Today(start + second)
	if len(d.Rows) != 4 || d.Merged != 14 {
		t.Fatalf("%d lines, %d merged: %+v", len(d.Rows), d.Merged, d.Rows)
	}
	others := d.Rows[0]
	if others.User != Others || others.Begun != 7 || others.Peak != 7 || others.Held != 0 || others.Holding != 7*time.Second {
		t.Errorf("%+v", others)
	}
}

// However sessions come and go, what is held is never below nothing, and the time adds up.
func TestTimeAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, now := NewMeter(start), start
		held, want := map[string]int{}, int64(0)
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			user := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "user")
			by := rapid.IntRange(-held[user], 3).Draw(t, "by")
			m.Change(line(user), by, now)
			held[user] += by
			pass := int64(rapid.IntRange(0, 3).Draw(t, "seconds"))
			now += pass * second
			for _, n := range held {
				want += pass * int64(n)
			}
		}
		got := time.Duration(0)
		for _, d := range append(m.Finished(now), m.Today(now)) {
			for _, r := range d.Rows {
				got += r.Holding
				if r.Held < 0 || r.Peak < r.Held {
					t.Fatalf("%+v", r)
				}
			}
		}
		if got != time.Duration(want)*time.Second {
			t.Fatalf("%v in all, want %d s", got, want)
		}
	})
}

func TestCSV(t *testing.T) {
	d := Day{Date: "2026-01-02", Rows: []Row{
		{Line{"=cmd()", "nyse", market.ChannelBook, 15 * time.Minute}, 3, 2, 1, 90 * time.Second},
		{Line{"a,\"b\"", "x", market.ChannelQuote, 0}, 1, 1, 0, 1500 * time.Millisecond},
	}}
	var b bytes.Buffer
	if err := d.WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	const want = `date,user,venue,channel,delay_s,taken_up,peak_instruments,instruments,instrument_seconds
2026-01-02,'=cmd(),nyse,book,900,3,2,1,90.000
2026-01-02,"a,""b""",x,quote,0,1,1,0,1.500
`
	if b.String() != want {
		t.Errorf("%s", b.String())
	}
	again, err := ReadCSV(&b)
	if err != nil || again.Date != d.Date || !slices.Equal(again.Rows, d.Rows) {
		t.Errorf("%+v, %v", again, err)
	}
	for _, bad := range []string{"", "x\n", want + "2026-01-02,a,x,pears,0,1,1,0,1\n", want + "2026-01-02,a,x,quote,0,-1,1,0,1\n", want + "2026-01-02,a,x,quote,0,1,1,0,NaN\n"} {
		if d, err := ReadCSV(strings.NewReader(bad)); err == nil {
			t.Errorf("%q is read as %+v", bad, d)
		}
	}
}

// A node that is restarted goes on with the day; the day before is there to be asked for.
func TestTheDayOutlivesTheNode(t *testing.T) {
	f := NewFiles(t.TempDir() + "/usage")
	if _, err := f.Load("2026-01-02"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, err := f.Load("../../etc/passwd"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		for range 2 {
			m := NewMeter(time.Now().UnixMicro())
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); f.Keep(ctx, m, time.Now, slog.New(slog.DiscardHandler)) }()
			synctest.Wait()
			m.Change(line("ada"), 1, time.Now().UnixMicro())
			time.Sleep(90 * time.Second)
			cancel()
			<-done
		}
		dates := f.Dates()
		d, err := f.Load(dates[0])
		if err != nil || len(dates) != 1 || len(d.Rows) != 1 || d.Rows[0].Holding != 3*time.Minute || d.Rows[0].Begun != 2 {
			t.Errorf("%v, %+v, %v", dates, d, err)
		}
	})
}

func FuzzReadCSV(f *testing.F) {
	f.Add("date,user,venue,channel,delay_s,taken_up,peak_instruments,instruments,instrument_seconds\n2026-01-02,a,x,quote,0,1,1,0,1\n")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ReadCSV(strings.NewReader(text))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := d.WriteCSV(&b); err != nil {
			t.Fatal(err)
		}
		if again, err := ReadCSV(&b); err != nil || len(again.Rows) != len(d.Rows) {
			t.Errorf("%v", err)
		}
	})
}
