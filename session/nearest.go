package session

import (
	"strings"
	"unicode/utf8"

	"github.com/feedd/feedd/market"
)

// maxTypos is how many letters may differ between what was typed and what was probably meant.
const maxTypos = 2

// nearest returns the candidate that word was probably meant to be; "" where none is near. The word itself is
// no candidate: it was refused.
func nearest(word string, candidates []string) string {
	best, found := maxTypos+1, ""
	for _, c := range candidates {
		if d := distance(word, c); d < best && c != word {
			best, found = d, c
		}
	}
	// A word of which nearly every letter would have to change is not what was meant.
	if best*2 >= len(word) {
		return ""
	}
	return found
}

// distance is the number of letters to insert, delete or replace to make b of a; anything beyond maxTypos
// comes back as maxTypos+1. Case does not count.
func distance(a, b string) int {
	const far = maxTypos + 1
	if len(a) > market.MaxSymbolLen || len(b) > market.MaxSymbolLen || len(a)-len(b) > maxTypos || len(b)-len(a) > maxTypos {
		return far
	}
	a, b = strings.ToLower(a), strings.ToLower(b)
	var rows [2][market.MaxSymbolLen*utf8.UTFMax + 1]int
	prev, row := &rows[0], &rows[1]
	for j := range len(b) + 1 {
		prev[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		least := row[0]
		for j := range len(b) {
			change := prev[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, prev[j+1]+1, row[j]+1)
			least = min(least, row[j+1])
		}
		if least > maxTypos {
			return far
		}
		prev, row = row, prev
	}
	return min(prev[len(b)], far)
}

// candidatesPerSearch bounds a search for similar symbols. The directory may hold a hundred thousand, so
// candidates are those that share a half of the name: one typo leaves the other half as it is.
const candidatesPerSearch = 64

// similarSymbol returns the symbol that text was probably meant to be; "" where none is near.
func similarSymbol(d Directory, text string) string {
	venue, name, ok := strings.Cut(text, ":")
	if !ok {
		return first(d, "*:"+strings.ToUpper(text))
	}
	if id, ok := d.Lookup(market.Symbol{Venue: strings.ToLower(venue), Name: strings.ToUpper(name)}); ok {
		return d.Instrument(id).Symbol.String()
	}
	half := len(name) / 2
	var candidates []string
	for _, pattern := range []string{venue + ":" + name[:half] + "*", venue + ":*" + name[half:]} {
		for _, id := range d.Match(pattern, candidatesPerSearch) {
			candidates = append(candidates, d.Instrument(id).Symbol.String())
		}
	}
	if found := nearest(text, candidates); found != "" {
		return found
	}
	return first(d, "*:"+name)
}

func first(d Directory, pattern string) string {
	if ids := d.Match(pattern, 1); len(ids) > 0 {
		return d.Instrument(ids[0]).Symbol.String()
	}
	return ""
}

// clip shortens text to at most n bytes, cutting between letters.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}
