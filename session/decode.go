package session

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/feedd/feedd/fanout"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// decode reads a ClientFrame. With an error the frame holds no more than the id, if that could be found.
//
// Unknown fields are treated differently on purpose: in JSON they are refused, since a person who typed
// "symbol" for "symbols" would otherwise wait in vain; in protobuf they come from newer clients and are
// passed over.
func decode(e fanout.Encoding, payload []byte) (*feedv1.ClientFrame, error) {
	f := new(feedv1.ClientFrame)
	if e == fanout.JSON {
		if err := protojson.Unmarshal(payload, f); err != nil {
			return &feedv1.ClientFrame{Id: looseID(payload)}, fmt.Errorf("not a ClientFrame in JSON: %s", explainJSON(err))
		}
		return f, nil
	}
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(payload, f); err != nil {
		return &feedv1.ClientFrame{Id: f.Id}, fmt.Errorf("not a ClientFrame in protobuf: %s", bare(err))
	}
	return f, nil
}

// looseID finds the id of a message that is JSON but no ClientFrame, so that the client can tell which of its
// requests the error is about.
func looseID(payload []byte) uint32 {
	var f struct {
		ID uint32 `json:"id"`
	}
	if json.Unmarshal(payload, &f) != nil {
		return 0
	}
	return f.ID
}

// The protobuf library begins its errors with a prefix whose spaces differ from build to build.
var errorPrefix = regexp.MustCompile(`^proto:[\s\x{a0}]*`)

// maxErrorText bounds words that may repeat what the client sent.
const maxErrorText = 200

func bare(err error) string { return clip(errorPrefix.ReplaceAllString(err.Error(), ""), maxErrorText) }

var unknownField = regexp.MustCompile(`unknown field "([^"]*)"`)

// explainJSON adds to the words for an unknown field the one that was probably meant.
func explainJSON(err error) string {
	text := bare(err)
	if m := unknownField.FindStringSubmatch(text); m != nil {
		if name := nearest(m[1], fieldNames()); name != "" {
			text += fmt.Sprintf("; did you mean %q?", name)
		}
	}
	return text
}

// fieldNames returns the JSON names of all fields that a client may send.
var fieldNames = sync.OnceValue(func() (names []string) {
	var visit func(d protoreflect.MessageDescriptor)
	visit = func(d protoreflect.MessageDescriptor) {
		for i := range d.Fields().Len() {
			f := d.Fields().Get(i)
			names = append(names, f.JSONName())
			if f.Message() != nil {
				visit(f.Message())
			}
		}
	}
	visit((&feedv1.ClientFrame{}).ProtoReflect().Descriptor())
	return names
})

// requestNames lists what a ClientFrame may hold.
var requestNames = sync.OnceValue(func() string {
	var names []string
	fields := (&feedv1.ClientFrame{}).ProtoReflect().Descriptor().Oneofs().Get(0).Fields()
	for i := range fields.Len() {
		names = append(names, fields.Get(i).JSONName())
	}
	return strings.Join(names, ", ")
})

// merge makes one ServerFrame of two that have no field in common. It may overwrite a.
func merge(e fanout.Encoding, a, b []byte) []byte {
	if e != fanout.JSON {
		return append(a, b...)
	}
	inside := func(b []byte) []byte { return bytes.TrimSpace(b[1 : len(b)-1]) } // of the braces
	if len(inside(a)) == 0 {
		return b
	}
	if len(inside(b)) == 0 {
		return a
	}
	return append(append(a[:len(a)-1], ','), b[1:]...)
}

// encode writes a ServerFrame.
func encode(e fanout.Encoding, f *feedv1.ServerFrame) ([]byte, error) {
	return appendEncoded(nil, e, f)
}

// appendEncoded appends it to dst.
func appendEncoded(dst []byte, e fanout.Encoding, f *feedv1.ServerFrame) ([]byte, error) {
	if e == fanout.JSON {
		return protojson.MarshalOptions{}.MarshalAppend(dst, f)
	}
	return proto.MarshalOptions{}.MarshalAppend(dst, f)
}
