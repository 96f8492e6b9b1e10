package policy

import (
	"errors"
	"strings"
	"testing"
)

func TestStopsComeAndGoAndTheRestStays(t *testing.T) {
	stop := &Stop{Name: "halt-1", Symbols: []string{"nyse:*"}, Reason: "bad prices"}
	for _, text := range []string{trading, "# one line\ntiers: {default: {}}\n"} {
		with, err := WithStop(text, stop)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Parse([]byte(with))
		if err != nil {
			t.Fatal(err)
		}
		if last := d.Stops[len(d.Stops)-1]; last.Name != "halt-1" || last.Reason != "bad prices" {
			t.Errorf("the stop is %+v", last)
		}
		if comment, _, _ := strings.Cut(text, "\n"); !strings.Contains(with, comment) {
			t.Errorf("a comment is gone:\n%s", with)
		}
		without, err := WithoutStop(with, "halt-1")
		if err != nil || strings.Contains(without, "halt-1") {
			t.Errorf("%v, left:\n%s", err, without)
		}
	}
}

func TestStopsThatCannotComeOrGo(t *testing.T) {
	var problems Problems
	if _, err := WithStop(trading, &Stop{Name: "luna", Symbols: []string{"a:b"}}); !errors.As(err, &problems) {
		t.Errorf("a name that is taken: %v", err)
	}
	if _, err := WithStop(trading, &Stop{Name: "all"}); !errors.As(err, &problems) {
		t.Errorf("a stop of nothing: %v", err)
	}
	for _, text := range []string{trading, BuiltInText} {
		if _, err := WithoutStop(text, "nothing"); !errors.Is(err, ErrNotFound) {
			t.Errorf("a stop that is not there: %v", err)
		}
	}
}
