package faults

import (
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/feedd/feedd/internal/client"
	"github.com/feedd/feedd/internal/rig"
	feedv1 "github.com/feedd/feedd/proto/feed/v1"
)

// tokenExpires has the tokens of two clients end while rows come: one renews when it is warned and notices nothing else, the other
// is ended and comes back with another token.
func tokenExpires(r *trial) {
	const life = 6 * time.Second
	solo := rig.StartNATS(r)
	rig.Record(r, solo.Connect(), 1)
	key := filepath.Join(r.TempDir(), "dev.key")
	token := func(user string, life time.Duration) string {
		p := rig.Feedd(r, "token", "--key", key, "--user", user, "--may", "*", "--for", life.String())
		if code := p.Wait(); code != 0 {
			r.Fatalf("feedd token: %s", p.Stderr())
		}
		return strings.TrimSpace(p.Text())
	}
	node := rig.Serve(r, "--sim", "off", "--nats-url", solo.URL(), "--auth-dev-key", key)
	m := rig.OpenMarket(r, solo.URL(), rig.MarketOptions{Seed: r.random.Uint64()})
	m.StepEach()
	before := node.Footing()
	look := func(tape *rig.Tape, token string) *client.Client {
		return tape.Follow(r, node.WebSocket(), m.Symbols, client.Options{Token: token})
	}
	heeds, ignores := rig.NewTape(), rig.NewTape()
	later, other := token("ada", time.Hour), token("eve", time.Hour)
	began := time.Now()
	ada, eve := look(heeds, token("ada", life)), look(ignores, token("eve", life))
	end := m.Run()
	for _, tape := range []*rig.Tape{heeds, ignores} {
		rig.Eventually(r, "a warning", func() bool { return !tape.Warned().IsZero() })
	}
	answer, err := ada.Request(rig.Deadline(r), &feedv1.ClientFrame{Request: &feedv1.ClientFrame_RefreshToken{RefreshToken: &feedv1.RefreshToken{Token: later}}})
	if err != nil || answer.Identity.GetUser() != "ada" {
		r.Fatalf("renewing: %v, %v", answer, err)
	}
	renewed := time.Now()
	select {
	case <-eve.Done():
	case <-rig.Deadline(r).Done():
		r.Fatal("a client whose token has expired is still there")
	}
	ended := time.Now()
	var closed *client.CloseError
	if !errors.As(eve.Err(), &closed) || closed.Code != 4010 {
		r.Errorf("the one that did not renew was ended by %v", eve.Err())
	}
	if ended.Sub(began) < life/2 {
		r.Errorf("ended %v after it came, with a token for %v", ended.Sub(began), life)
	}
	// It comes back with a new one, and lacks nothing; the other has gone on all the while.
	eve = look(ignores, other)
	m.Await(200)
	end()
	m.Ends(ada, heeds)
	m.Ends(eve, ignores)
	if err := ada.Err(); err != nil {
		r.Errorf("the one that renewed was ended: %v", err)
	}
	r.duration("renewed: longest silence of quotes", heeds.Silence(renewed, ended))
	r.duration("not renewed: ended, with a token for 6 s and 10 s of leeway, after", ended.Sub(began))
	r.figure("trades told missing", float64(heeds.Lost()+ignores.Lost()), "")
	if n := node.Dropped("expired_token"); n != 1 {
		r.Errorf("%d sessions are counted as ended for an expired token, want 1", n)
	}
	ada.Close()
	eve.Close()
	node.Settles(r, before)
}
