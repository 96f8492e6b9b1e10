package main

import (
	"context"

	"github.com/feedd/feedd/internal/lists"
)

// openLists reads the file of --lists, if there is one.
func (o *serveOptions) openLists(path string) (err error) {
	if path == "" {
		return nil
	}
	if o.lists, err = lists.Open(path); err != nil {
		return usagef("cannot use the lists of --lists: %w", err)
	}
	return nil
}

// rereadLists reads the lists again with each SIGHUP, until ctx ends. Those that cannot be used change nothing.
func (s *server) rereadLists(ctx context.Context) error {
	rereadOnHangup(ctx, func() {
		if err := s.options.lists.Reload(); err != nil {
			s.options.log.Error("the lists stay as they were", "error", err)
			return
		}
		s.options.log.Info("lists read again", "lists", len(s.options.lists.Names()))
	})
	return nil
}
