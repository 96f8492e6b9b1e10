package replay

import (
	"errors"
	"io"

	"github.com/feedd/feedd/internal/recording"
)

// timeline merges recordings by the time of arrival; at equal times the order of the files decides. Within
// a file the order is that of its lines, whatever their times say.
type timeline struct {
	sources []*source
	last    *source // whose event was returned and is in use
}

type source struct {
	reader *recording.Reader
	event  recording.Event
}

// openTimeline opens all files; surveys are those of the same index.
func openTimeline(files []string, surveys []*recording.Survey) (*timeline, error) {
	t := &timeline{}
	for i, file := range files {
		r, err := recording.Open(file, surveys[i])
		if err != nil {
			return nil, errors.Join(err, t.Close())
		}
		s := &source{reader: r}
		t.sources = append(t.sources, s)
		if err := t.advance(s); err != nil {
			return nil, errors.Join(err, t.Close())
		}
	}
	return t, nil
}

// next returns the next event, which is valid until the call after, or io.EOF.
func (t *timeline) next() (*recording.Event, error) {
	if t.last != nil {
		s := t.last
		t.last = nil
		if err := t.advance(s); err != nil {
			return nil, err
		}
	}
	for _, s := range t.sources {
		if s.reader != nil && (t.last == nil || s.event.ReceiveTime < t.last.event.ReceiveTime) {
			t.last = s
		}
	}
	if t.last == nil {
		return nil, io.EOF
	}
	return &t.last.event, nil
}

// advance reads the next event of s. A source at its end is closed and has no reader.
func (t *timeline) advance(s *source) error {
	err := s.reader.Next(&s.event)
	if err != io.EOF {
		return err
	}
	err = s.reader.Close()
	s.reader = nil
	return err
}

func (t *timeline) Close() error {
	var errs []error
	for _, s := range t.sources {
		if s.reader != nil {
			errs = append(errs, s.reader.Close())
			s.reader = nil
		}
	}
	return errors.Join(errs...)
}
