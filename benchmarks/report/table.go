package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// Figure is one number of a result, named by its path in the JSON.
type Figure struct {
	Path  string
	Value float64
}

// Flatten returns all numbers of a result's JSON in order, windows left out: they are the raw material.
func Flatten(result []byte) ([]Figure, error) {
	var all []Figure
	dec := json.NewDecoder(bytes.NewReader(result))
	err := walk(dec, "", &all)
	if err != nil {
		return nil, fmt.Errorf("result: %w", err)
	}
	return slices.DeleteFunc(all, func(f Figure) bool {
		return strings.HasPrefix(f.Path, "windows") || strings.Contains(f.Path, ".windows.")
	}), nil
}

// walk reads one value and keeps the order of the file, which a map would lose.
func walk(dec *json.Decoder, path string, all *[]Figure) error {
	token, err := dec.Token()
	if err != nil {
		return err
	}
	switch v := token.(type) {
	case float64:
		*all = append(*all, Figure{path, v})
	case json.Delim:
		for i := 0; dec.More(); i++ {
			name := fmt.Sprint(i)
			if v == '{' {
				key, err := dec.Token()
				if err != nil {
					return err
				}
				name = key.(string)
			}
			if path != "" {
				name = path + "." + name
			}
			if err := walk(dec, name, all); err != nil {
				return err
			}
		}
		_, err = dec.Token()
	}
	return err
}

// WriteTable writes the figures of a result for people.
func WriteTable(w io.Writer, r *Result) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	figures, err := Flatten(b)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "scenario\t%s\n", r.Scenario)
	fmt.Fprintf(t, "machine\t%s, %d cores, Linux %s\n", r.Machine.CPU, r.Machine.Cores, r.Machine.Kernel)
	for _, f := range figures {
		if strings.HasPrefix(f.Path, "machine.") {
			continue
		}
		fmt.Fprintf(t, "%s\t%s\n", f.Path, number(f.Value))
	}
	fmt.Fprintf(t, "verdict\t%s\n", r.Verdict)
	for _, p := range r.Problems {
		fmt.Fprintf(t, "problem\t%s\n", p)
	}
	for _, p := range r.Warnings {
		fmt.Fprintf(t, "warning\t%s\n", p)
	}
	return t.Flush()
}

// WriteDifference sets the figures of two results beside each other, with the change in per cent.
func WriteDifference(w io.Writer, before, after []byte) error {
	a, err := Flatten(before)
	if err != nil {
		return err
	}
	b, err := Flatten(after)
	if err != nil {
		return err
	}
	was := make(map[string]float64, len(a))
	for _, f := range a {
		was[f.Path] = f.Value
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "figure\tbefore\tafter\tchange")
	for _, f := range b {
		old, ok := was[f.Path]
		delete(was, f.Path)
		if !ok {
			fmt.Fprintf(t, "%s\t-\t%s\t\n", f.Path, number(f.Value))
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", f.Path, number(old), number(f.Value), change(old, f.Value))
	}
	for _, f := range a {
		if _, gone := was[f.Path]; gone {
			fmt.Fprintf(t, "%s\t%s\t-\t\n", f.Path, number(f.Value))
		}
	}
	return t.Flush()
}

func change(before, after float64) string {
	switch before {
	case after:
		return "="
	case 0:
		return ""
	}
	return fmt.Sprintf("%+.1f %%", (after/before-1)*100)
}

// number shows decimals where they matter.
func number(v float64) string {
	switch {
	case v == math.Trunc(v) || math.Abs(v) >= 1000:
		return fmt.Sprintf("%.0f", v)
	case math.Abs(v) >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.3f", v)
}
