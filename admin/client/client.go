// Package client calls the admin API of a node, as docs/admin-api.md has it.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/feedd/feedd/admin/control"
	"github.com/feedd/feedd/policy"
)

// Client is an operator's access to a node.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// answerWithin bounds one call.
const answerWithin = 30 * time.Second

// New returns the client of an admin listener, such as http://127.0.0.1:8081. tokenFile holds the operator's token alone; empty:
// none is shown.
func New(base, tokenFile string) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q: want the URL of an admin listener, such as http://127.0.0.1:8081", base)
	}
	c := &Client{base: strings.TrimSuffix(base, "/"), http: &http.Client{Timeout: answerWithin}}
	if tokenFile != "" {
		text, err := os.ReadFile(tokenFile)
		if err != nil {
			return nil, err
		}
		c.token = strings.TrimSpace(string(text))
	}
	return c, nil
}

// Status is a node's policy, and what other nodes run.
type Status struct {
	policy.Status
	Nodes []policy.Node `json:"nodes"`
}

// Verdict is what is said of a policy that is not in force.
type Verdict struct {
	Valid    bool            `json:"valid"`
	Problems policy.Problems `json:"problems"`
	Effect   *control.Effect `json:"effect"`
}

// Error is an answer that is none.
type Error struct {
	StatusCode int
	Text       string          `json:"error"`
	Problems   policy.Problems `json:"problems"`
}

// Error returns the text, and a line for each problem.
func (e *Error) Error() string {
	if len(e.Problems) > 0 {
		return e.Text + "\n" + e.Problems.Error()
	}
	return e.Text
}

// call sends a request and reads the answer into out.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, ifMatch *uint64, body []byte, out any) error {
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if ifMatch != nil {
		r.Header.Set("If-Match", strconv.FormatUint(*ifMatch, 10))
	}
	res, err := c.http.Do(r)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) { // its text repeats the URL
			err = failed.Err
		}
		return fmt.Errorf("no answer from the admin listener at %s: %w", c.base, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		e := &Error{StatusCode: res.StatusCode}
		if json.Unmarshal(text, e) != nil || e.Text == "" {
			e.Text = fmt.Sprintf("%s: this is not the admin listener of feedd", res.Status)
		}
		return e
	}
	return json.Unmarshal(text, out)
}

// Loads returns how the nodes fare that this one hears of, itself first.
func (c *Client) Loads(ctx context.Context) ([]control.NodeLoad, error) {
	var answer struct {
		Loads []control.NodeLoad `json:"loads"`
	}
	err := c.call(ctx, http.MethodGet, "/v1/nodes", nil, nil, nil, &answer)
	return answer.Loads, err
}

// Status returns the policy in force.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.call(ctx, http.MethodGet, "/v1/policy", nil, nil, nil, &s)
}

// History returns the versions that are kept, newest first, without their texts.
func (c *Client) History(ctx context.Context) ([]policy.Version, error) {
	var body struct{ Versions []policy.Version }
	err := c.call(ctx, http.MethodGet, "/v1/policy/history", nil, nil, nil, &body)
	return body.Versions, err
}

// Version returns one that is kept.
func (c *Client) Version(ctx context.Context, revision uint64) (v policy.Version, err error) {
	return v, c.call(ctx, http.MethodGet, "/v1/policy/history/"+strconv.FormatUint(revision, 10), nil, nil, nil, &v)
}

// DryRun says what a policy would do.
func (c *Client) DryRun(ctx context.Context, text []byte) (v Verdict, err error) {
	return v, c.call(ctx, http.MethodPost, "/v1/policy/dry-run", nil, nil, text, &v)
}

// Explain says what a session would be granted.
func (c *Client) Explain(ctx context.Context, query url.Values) (e policy.Explanation, err error) {
	return e, c.call(ctx, http.MethodGet, "/v1/policy/explain", query, nil, nil, &e)
}

// Apply puts a text in force, for good or for a time.
func (c *Client) Apply(ctx context.Context, text []byte, w policy.Write) (s Status, err error) {
	query := url.Values{"reason": {w.Reason}}
	if w.For > 0 {
		query.Set("for", w.For.String())
	}
	return s, c.call(ctx, http.MethodPut, "/v1/policy", query, &w.Expected, text, &s)
}

// Rollback puts an earlier text in force again.
func (c *Client) Rollback(ctx context.Context, to uint64, w policy.Write) (s Status, err error) {
	body, err := json.Marshal(map[string]uint64{"revision": to})
	if err != nil {
		return s, err
	}
	return s, c.call(ctx, http.MethodPost, "/v1/policy/rollback", url.Values{"reason": {w.Reason}}, &w.Expected, body, &s)
}

// Stop adds a kill switch.
func (c *Client) Stop(ctx context.Context, stop control.StopRequest, reason string) (s Status, err error) {
	body, err := json.Marshal(stop)
	if err != nil {
		return s, err
	}
	return s, c.call(ctx, http.MethodPost, "/v1/policy/stops", url.Values{"reason": {reason}}, nil, body, &s)
}

// Release takes one away again.
func (c *Client) Release(ctx context.Context, name, reason string) (s Status, err error) {
	return s, c.call(ctx, http.MethodDelete, "/v1/policy/stops/"+url.PathEscape(name), url.Values{"reason": {reason}}, nil, nil, &s)
}
