package main

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/feedd/feedd/benchmarks/crowd"
	"github.com/feedd/feedd/benchmarks/feed"
	"github.com/feedd/feedd/benchmarks/proc"
	"github.com/feedd/feedd/benchmarks/soak"
)

// trouble is where a soak is in its faults.
type trouble struct {
	last  soak.Step
	open  bool          // a fault has begun that has not ended
	since time.Duration // when the last one ended, or struck
	back  bool          // everybody has been back since
	times []time.Duration
}

// startNATS starts the server, the first time on a port that is free and then on the same.
func (s *soaking) startNATS(ctx context.Context) error {
	var err error
	if s.nats, err = s.role("nats", s.othersOn); err != nil {
		return err
	}
	cfg := feed.ServerConfig{Dir: filepath.Join(s.dir, "stream")}
	if s.where.NATS != "" {
		u, err := url.Parse(s.where.NATS)
		if err != nil {
			return err
		}
		if cfg.Port, err = strconv.Atoi(u.Port()); err != nil {
			return err
		}
	}
	return s.nats.Ask(ctx, feed.Begin, cfg, &s.where)
}

// startPublisher starts the market anew: each life has an epoch of its own and other prices.
func (s *soaking) startPublisher(ctx context.Context) error {
	var err error
	if s.source, err = s.role("feed", s.othersOn); err != nil {
		return err
	}
	cfg := feed.Config{
		Instruments: s.Instruments, Hz: s.TickHz, Burst: s.Burst, Seed: s.Seed + s.lives, Zipf: true,
		Levels: soakLevels, Books: min(soakBooks, s.Instruments), NATS: s.where.NATS,
	}
	if s.lives == 0 {
		cfg.Past = feed.FullPast
	}
	s.lives++
	if err := s.source.Ask(ctx, feed.Begin, cfg, nil); err != nil {
		return err
	}
	return s.source.Ask(ctx, feed.Resume, nil, nil)
}

// kill ends a process as a failing machine would.
func (s *soaking) kill(c *proc.Child) {
	s.children = slices.DeleteFunc(s.children, func(o *proc.Child) bool { return o == c })
	c.Kill()
}

// act begins a fault, or ends it.
func (s *soaking) act(ctx context.Context, step soak.Step) error {
	t := &s.trouble
	now := time.Since(s.began)
	if !step.Ends {
		n := s.figures.Faults[step.Fault]
		n.Times++
		s.figures.Faults[step.Fault] = n
		t.times = append(t.times, now)
	}
	s.progress("%v", step)
	err := s.strike(ctx, step)
	t.last, t.open, t.back = step, step.Lasts > 0 && !step.Ends, false
	t.since = time.Since(s.began)
	return err
}

func (s *soaking) strike(ctx context.Context, step soak.Step) error {
	switch step.Fault {
	case soak.Cut, soak.Wave:
		return s.crowd.Ask(ctx, crowd.Cut, step.Share, nil)
	case soak.Hang, soak.Stick:
		if step.Ends {
			return nil
		}
		return s.crowd.Ask(ctx, crowd.Stall, crowd.Stalling{Share: step.Share, Lasts: step.Lasts}, nil)
	case soak.Publisher:
		if step.Ends {
			return s.startPublisher(ctx)
		}
		s.kill(s.source)
		return nil
	case soak.Server:
		if step.Ends {
			return s.startNATS(ctx)
		}
		s.kill(s.nats)
		return nil
	case soak.Freeze:
		signal := syscall.SIGSTOP
		if step.Ends {
			signal = syscall.SIGCONT
		}
		return syscall.Kill(s.nats.Pid(), signal)
	case soak.Policy:
		cadence := s.Cadence
		if !step.Ends {
			cadence *= slower
		}
		if err := s.writePolicy(cadence); err != nil {
			return err
		}
		return syscall.Kill(s.server.Pid(), syscall.SIGHUP)
	case soak.Garbage:
		if err := s.crowd.Ask(ctx, crowd.Litter, s.websocket, nil); err != nil {
			return err
		}
		return s.litter()
	}
	return fmt.Errorf("nobody knows how")
}

// litter publishes what no publisher should.
func (s *soaking) litter() error {
	nc, err := nats.Connect(s.where.NATS)
	if err != nil {
		return err
	}
	defer nc.Close()
	for _, subject := range []string{"md.bench.I00000.quote", "md.bench.I00001.trade", "md.bench.I00002.book", "md.bench.nobody.quote", "md.bench", "md.x.y.z.quote"} {
		for _, payload := range []string{"", "\xff\xff\xff garbage", "\x08\x01", string(make([]byte, 100_000))} {
			if err := nc.Publish(subject, []byte(payload)); err != nil {
				return err
			}
		}
	}
	return nc.Flush()
}
