package bars

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDaysBeginByTheClocksOfTheirZone(t *testing.T) {
	for _, c := range []struct {
		zone       string
		start      int32
		at         string // UTC
		begin, end string
	}{
		{"", 0, "2031-05-06 00:00:00", "2031-05-06 00:00:00", "2031-05-07 00:00:00"},
		{"", 0, "2031-05-06 23:59:59", "2031-05-06 00:00:00", "2031-05-07 00:00:00"},
		{"", 8 * 3600, "2031-05-06 07:59:59", "2031-05-05 08:00:00", "2031-05-06 08:00:00"},
		{"No/Such", 8 * 3600, "2031-05-06 08:00:00", "2031-05-06 08:00:00", "2031-05-07 08:00:00"},
		{"Local", 8 * 3600, "2031-05-06 08:00:00", "2031-05-06 08:00:00", "2031-05-07 08:00:00"},
		{"", -3600, "2031-05-06 23:00:00", "2031-05-06 23:00:00", "2031-05-07 23:00:00"},
		{"America/New_York", 34200, "2031-01-06 14:30:00", "2031-01-06 14:30:00", "2031-01-07 14:30:00"},
		{"America/New_York", 34200, "2031-01-06 14:29:59", "2031-01-05 14:30:00", "2031-01-06 14:30:00"},
		// The clocks go forward on 9 March 2031 and back on 2 November.
		{"America/New_York", 0, "2031-03-09 12:00:00", "2031-03-09 05:00:00", "2031-03-10 04:00:00"},
		{"America/New_York", 0, "2031-11-02 12:00:00", "2031-11-02 04:00:00", "2031-11-03 05:00:00"},
		{"America/New_York", 17 * 3600, "2031-03-09 00:00:00", "2031-03-08 22:00:00", "2031-03-09 21:00:00"},
		{"Asia/Kolkata", 33300, "2031-05-06 03:45:00", "2031-05-06 03:45:00", "2031-05-07 03:45:00"},
		// Samoa had no 30 December 2011.
		{"Pacific/Apia", 0, "2011-12-30 09:59:59", "2011-12-29 10:00:00", "2011-12-30 10:00:00"},
		{"Pacific/Apia", 0, "2011-12-30 10:00:00", "2011-12-30 10:00:00", "2011-12-31 10:00:00"},
	} {
		cal := NewCalendar(c.start, Zones{}.Find(c.zone))
		begin, end := cal.Day(at(c.at) / second)
		show := func(sec int64) string { return time.Unix(sec, 0).UTC().Format(time.DateTime) }
		if show(begin) != c.begin || show(end) != c.end {
			t.Errorf("%s + %d at %s: %s to %s, want %s to %s", c.zone, c.start, c.at, show(begin), show(end), c.begin, c.end)
		}
	}
}

// Days follow each other without a hole, wherever and whenever.
func TestDaysFollowEachOther(t *testing.T) {
	zones := Zones{}
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom([]string{
			"", "Europe/London", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Kwajalein", "Africa/Casablanca",
			"Asia/Tehran", "America/Sao_Paulo",
		}).Draw(t, "zone")
		cal := NewCalendar(rapid.Int32().Draw(t, "start"), zones.Find(zone))
		sec := rapid.Int64Range(0, 4_000_000_000).Draw(t, "at")
		start, end := cal.Day(sec)
		if start > sec || sec >= end || end-start > 50*3600 {
			t.Fatalf("%d lies in %d to %d", sec, start, end)
		}
		if s, e := cal.Day(start); s != start || e != end {
			t.Fatalf("the start %d of a day to %d lies in %d to %d", start, end, s, e)
		}
		if s, _ := cal.Day(end); s != end {
			t.Fatalf("a day ends at %d, but the next one starts at %d", end, s)
		}
		if s, e := cal.Day(end - 1); s != start || e != end {
			t.Fatalf("the end %d of a day from %d lies in %d to %d", end, start, s, e)
		}
	})
}

func TestZonesKeepWhatTheyFoundAndNothingElse(t *testing.T) {
	z := Zones{}
	tokyo := z.Find("Asia/Tokyo")
	if z.Find("Asia/Tokyo") != tokyo || tokyo == time.UTC || z.Find("x") != time.UTC || z.Find("../etc/passwd") != time.UTC || len(z) != 1 {
		t.Fatal(z)
	}
}

func TestFloor(t *testing.T) {
	for _, c := range [][3]int64{{7, 5, 5}, {5, 5, 5}, {-1, 5, -5}, {-5, 5, -5}, {math.MaxInt64, 1, math.MaxInt64}} {
		if got := floor(c[0], c[1]); got != c[2] {
			t.Errorf("floor(%d, %d) = %d, want %d", c[0], c[1], got, c[2])
		}
	}
}
