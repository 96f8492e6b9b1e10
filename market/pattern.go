package market

import "strings"

// Fits reports whether "venue:NAME" fits a pattern in which * stands for any run of characters. It takes time
// proportional to the pattern's parts times the text, whatever the pattern: each part between stars is placed as early
// as it fits.
func Fits(pattern, text string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, head)
	if !ok {
		return false
	}
	for {
		part, more, star := strings.Cut(rest, "*")
		if !star {
			return strings.HasSuffix(text, part)
		}
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text, rest = text[i+len(part):], more
	}
}
