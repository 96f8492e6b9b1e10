package ways

import (
	"google.golang.org/protobuf/proto"

	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

func (c *clients) webSocket(symbols []string) error {
	message, err := proto.Marshal(&feedv1.ClientFrame{Request: &feedv1.ClientFrame_Subscribe{Subscribe: &feedv1.Subscribe{
		Symbols: symbols, Channels: []string{"quote"}, CadenceMs: &c.cfg.CadenceMS,
	}}})
	if err != nil {
		return err
	}
	var f feedv1.ServerFrame
	return c.overWebSocket("feedd.v1.proto", 0x82, message, func(payload []byte) bool {
		return proto.Unmarshal(payload, &f) == nil && len(f.Quotes) > 0
	})
}
