package feed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/feedd/feedd/benchmarks/proc"
)

// patience bounds the start of a NATS server.
const patience = 10 * time.Second

// startServer starts a NATS server on 127.0.0.1, with a JetStream in a directory unless that is empty.
func startServer(port int, dir string) (*server.Server, error) {
	o := &server.Options{Host: "127.0.0.1", Port: port, NoLog: true, NoSigs: true, JetStream: dir != "", StoreDir: dir}
	o.Websocket = server.WebsocketOpts{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoTLS: true}
	s, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("nats-server: %w", err)
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		s.Shutdown()
		return nil, fmt.Errorf("nats-server: not ready within %v", patience)
	}
	return s, nil
}

// ServerConfig says what NATS server to start.
type ServerConfig struct {
	Port int    `json:"port"` // 0: a free one
	Dir  string `json:"dir"`  // of its JetStream
}

// ServerRole is the process of a NATS server that stands by itself, so that it can be killed: Begin takes a ServerConfig and
// answers with Where.
func ServerRole(in io.Reader, out io.Writer) error {
	var s *server.Server
	defer func() {
		if s != nil {
			s.Shutdown()
			s.WaitForShutdown()
		}
	}()
	return proc.Serve(in, out, func(do string, body json.RawMessage) (any, error) {
		if do != Begin || s != nil {
			return nil, errors.New("want open, once")
		}
		var cfg ServerConfig
		if err := json.Unmarshal(body, &cfg); err != nil {
			return nil, err
		}
		if cfg.Port == 0 {
			cfg.Port = server.RANDOM_PORT
		}
		var err error
		if s, err = startServer(cfg.Port, cfg.Dir); err != nil {
			return nil, err
		}
		return Where{NATS: s.ClientURL(), WebSocket: s.WebsocketURL()}, nil
	})
}
