package revoke

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/feedd/feedd/auth"
)

const (
	// Subject is where nodes listen.
	Subject = "feedd.revoke"
	// Bucket remembers.
	Bucket = "feedd_revocations"
	// sendWithin bounds an order.
	sendWithin = 10 * time.Second
	// maxBytes bounds a message.
	maxBytes = 4 << 10
)

// ErrNotKept says that all nodes that are up were told, but that none will be told which starts later.
var ErrNotKept = errors.New("the nodes that are up were told, but it could not be written down for those that start later: repeat it")

// Send shuts somebody out, from now on, on all nodes. r needs a Token, a User or a Session, and may have a Reason; the rest
// is filled in. ErrNotKept comes joined with why.
func Send(ctx context.Context, nc *nats.Conn, r auth.Revocation, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	r.Time, r.Until = now.UnixMicro(), now.Add(auth.MaxLifetime).UnixMicro()
	if err := r.Validate(); err != nil {
		return err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := nc.Publish(Subject, text); err != nil {
		return fmt.Errorf("telling the nodes: %w", err)
	}
	if err := nc.FlushWithContext(ctx); err != nil {
		return fmt.Errorf("telling the nodes: %w", err)
	}
	if r.Session != "" {
		return nil // it is over; its token stays good
	}
	kv, err := openBucket(ctx, nc, true)
	if err == nil {
		_, err = kv.Put(ctx, key(r), text)
	}
	if err != nil {
		return errors.Join(ErrNotKept, err)
	}
	return nil
}

// key names a revocation in the bucket. What tokens say may hold any letter.
func key(r auth.Revocation) string {
	kind, name := "user", r.User
	if r.Token != "" {
		kind, name = "token", r.Token
	}
	return kind + "." + base64.RawURLEncoding.EncodeToString([]byte(name))
}

// openBucket returns the bucket, which is made where create is set.
func openBucket(ctx context.Context, nc *nats.Conn, create bool) (jetstream.KeyValue, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	kv, err := js.KeyValue(ctx, Bucket)
	if !create || !errors.Is(err, jetstream.ErrBucketNotFound) {
		return kv, err
	}
	config := jetstream.KeyValueConfig{Bucket: Bucket, Description: "tokens and users that feedd shuts out", TTL: auth.MaxLifetime, MaxValueSize: maxBytes}
	// Three replicas outlive a server. One server alone cannot have them.
	for _, config.Replicas = range []int{3, 1} {
		if kv, err = js.CreateKeyValue(ctx, config); err == nil || errors.Is(err, jetstream.ErrBucketExists) {
			break
		}
	}
	if errors.Is(err, jetstream.ErrBucketExists) { // somebody else was faster
		kv, err = js.KeyValue(ctx, Bucket)
	}
	return kv, err
}
