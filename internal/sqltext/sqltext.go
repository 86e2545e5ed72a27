// Package sqltext is what is known of a statement's text without parsing it.
package sqltext

import "strings"

// FirstWord returns the first word of a statement in small letters, behind white space,
// comments and parentheses; "" if it begins with something else.
func FirstWord(sql string) string {
	for {
		sql = strings.TrimLeft(sql, " \t\r\n\f(")
		switch {
		case strings.HasPrefix(sql, "--"):
			_, sql, _ = strings.Cut(sql, "\n")
			continue
		case strings.HasPrefix(sql, "/*"):
			_, sql, _ = strings.Cut(sql, "*/")
			continue
		}
		break
	}
	end := strings.IndexFunc(sql, func(r rune) bool { return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z') })
	if end < 0 {
		end = len(sql)
	}
	return strings.ToLower(sql[:end])
}
