// Package manifests decodes what is meant for Kubernetes as its API server would, but strictly: what it does not know, or what
// stands twice, is an error and not a surprise in production.
package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
)

// Decode returns the objects of a text with several documents. The error names each that is not right.
func Decode(text []byte) (objects []runtime.Object, err error) {
	codecs := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict)
	decode := codecs.UniversalDeserializer()
	documents := utilyaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(text)))
	defer documents.Close() // reads memory
	buffer := make([]byte, 4<<20)
	for n := 1; ; n++ {
		size, readErr := documents.Read(buffer)
		if errors.Is(readErr, io.EOF) {
			return objects, err
		}
		if readErr != nil {
			return objects, errors.Join(err, readErr)
		}
		document := bytes.TrimSpace(buffer[:size])
		if onlyComments(document) {
			continue
		}
		o, kind, bad := decode.Decode(document, nil, nil)
		if bad != nil {
			err = errors.Join(err, fmt.Errorf("document %d (%v): %w", n, kind, bad))
			continue
		}
		objects = append(objects, o)
	}
}

func onlyComments(document []byte) bool {
	for line := range bytes.Lines(document) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && !bytes.Equal(line, []byte("---")) {
			return false
		}
	}
	return true
}
