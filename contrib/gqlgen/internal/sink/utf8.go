package sink

import "unicode/utf8"

// ValidUTF8 returns the text with U+FFFD in place of each byte that is not UTF-8. gqlgen
// copies strings as they are, and who decodes its responses has that.
func ValidUTF8(text []byte) []byte {
	if utf8.Valid(text) {
		return text
	}
	return []byte(string([]rune(string(text))))
}
