package sizing

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// The SDK's tests hold the SDK against the same list (clients/js/test/timing.test.ts).
func TestRetriesAreThoseOfTheSDK(t *testing.T) {
	var list struct {
		Base     float64 `json:"base_ms"`
		Most     float64 `json:"max_ms"`
		Stable   float64 `json:"stable_ms"`
		Patience float64 `json:"patience_ms"`
		Waits    []struct {
			Failures int         `json:"failures"`
			Chance   float64     `json:"chance"`
			Window   *[2]float64 `json:"window_ms"`
			Wait     float64     `json:"wait_ms"`
		} `json:"waits"`
	}
	b, err := os.ReadFile("testdata/retry.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	if got := [4]float64{backoffBase * 1000, backoffMost * 1000, stableAfter * 1000, patience * 1000}; got != [4]float64{list.Base, list.Most, list.Stable, list.Patience} {
		t.Errorf("the model has %v, the list %v", got, list)
	}
	for _, w := range list.Waits {
		var asked *window
		if w.Window != nil {
			asked = &window{w.Window[0] / 1000, w.Window[1] / 1000}
		}
		if got := 1000 * retryDelay(w.Failures, asked, func() float64 { return w.Chance }); math.Abs(got-w.Wait) > 1e-6 {
			t.Errorf("%+v: %v", w, got)
		}
	}
	if len(list.Waits) < 20 {
		t.Errorf("the list has %d waits", len(list.Waits))
	}
}
