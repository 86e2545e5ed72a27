package pages

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// words are phrases that a Go maintainer would not write, with what to write. They are looked
// for in pages, in comments, and in the texts of errors and help.
var words = []struct {
	phrase *regexp.Regexp
	write  string
}{
	{regexp.MustCompile(`(?i)\btells? whether\b`), "reports whether"},
	{regexp.MustCompile(`(?i)\btells? it all\b`), "what it returns, or: implements error"},
	{regexp.MustCompile(`(?i)\bmend(s|ed|ing)?\b`), "fix"},
	{regexp.MustCompile(`(?i)\bgood for nothing\b`), "useless, or what is wrong with it"},
	{regexp.MustCompile(`(?i)\bhears? (of|nothing|when|what)\b`), "is told about, receives"},
	{regexp.MustCompile(`(?i)\bwhoever\b`), "the caller, an owner, every caller"},
	{regexp.MustCompile(`(?i)\bsays? how (an? )?\S+ works?\b`), "configures"},
	{regexp.MustCompile(`(?i)\bgood for most\b`), "works for most programs"},
	{regexp.MustCompile(`(?i)\bis to be closed\b`), "the caller must close it"},
	{regexp.MustCompile(`(?i)\bas ever\b`), "as usual"},
	{regexp.MustCompile(`\b(\w+Error|Err\w+|Key|Stats|Options) is what\b`), "is returned by, identifies, holds, configures"},
	{regexp.MustCompile(`(?i)\bin the place of\b`), "instead of, in place of"},
	{regexp.MustCompile(`(?i)\bof which the\b`), "whose"},
	{regexp.MustCompile(`(?i)\bwhere to it\b`), "where it ... to"},
	{regexp.MustCompile(`(?i)\bfor ever\b`), "forever"},
	{regexp.MustCompile(`(?i)\blay-outs?\b`), "layout"},
	{regexp.MustCompile(`(?i)\banew\b`), "again"},
	{regexp.MustCompile(`(?i)\bat the most\b`), "at most"},
	{regexp.MustCompile(`(?i)\bof chance\b`), "random"},
	{regexp.MustCompile(`(?i)\bmeant so\b`), "intentional"},
	{regexp.MustCompile(`\b(it|that|which|ours|that) is no \w+ of\b`), "is not"},
	{regexp.MustCompile(`\bthat (is|are) none(?:[^ ]|$| [^o])`), "is not one"},
	{regexp.MustCompile(`\b(is|are) (for|from|by|up to|after|below|above|with) (how|which|what|when) `),
		"is how long ..., is the x from which on ..."},
	{regexp.MustCompile(`\bso many (bytes|keys|plans)\b`), "that many, n bytes"},
	{regexp.MustCompile(`(?:^|[.:] )Of (a|an|the|one|those|several|many|few|fewer|two|equal|what|it|this|these) `),
		"the subject first"},
	{regexp.MustCompile(`(?:^|[.:] )Who (is|are|was|has|had|comes|came|waits?|asks?|closes?|reads?|takes?|uses?|does|cannot|may|holds?|still) `),
		"the caller, callers"},
}

// own are files that must have the phrases.
var own = []string{"internal/pages/words_test.go", "CHANGELOG.md"}

// excluded are generated code and what tests read.
var excluded = regexp.MustCompile(`testdata|(generated|_gen)\.go$`)

// A text with a phrase of the list fails, with the place.
func TestWords(t *testing.T) {
	texts := 0
	check := func(path string, line int, text string) {
		texts++
		for _, w := range words {
			if found := w.phrase.FindString(text); found != "" {
				t.Errorf("%s:%d: %q: write %q", path, line, strings.TrimSpace(found), w.write)
			}
		}
	}
	walk(t, func(path string) {
		switch {
		case excluded.MatchString(path) || slices.Contains(own, path):
		case filepath.Ext(path) == ".md":
			prose := fenced.ReplaceAllStringFunc(read(t, path), func(block string) string {
				return strings.Repeat("\n", strings.Count(block, "\n"))
			})
			for i, line := range strings.Split(prose, "\n") {
				check(path, i+1, line)
			}
		case filepath.Ext(path) == ".go":
			checkSource(t, path, check)
		}
	})
	if texts < 10_000 {
		t.Errorf("only %d texts were found", texts)
	}
}

// checkSource checks the comments of a file and, unless it is a test, its texts.
func checkSource(t *testing.T, path string, check func(path string, line int, text string)) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, read(t, path), parser.ParseComments)
	if list, ok := errors.AsType[scanner.ErrorList](err); ok && list.Len() > 0 || file == nil {
		t.Fatal(err)
	}
	for _, group := range file.Comments {
		// A phrase may go on in the next line.
		check(path, files.Position(group.Pos()).Line, strings.Join(strings.Fields(group.Text()), " "))
	}
	if strings.HasSuffix(path, "_test.go") {
		return
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil {
				check(path, files.Position(literal.Pos()).Line, text)
			}
		}
		return true
	})
}

// The list finds what it is for.
func TestWordsFind(t *testing.T) {
	for text, bad := range map[string]bool{
		"Enabled tells whether it is on.": true, "It reports whether it is on.": false,
		"a key of which the last counts": true, "Nothing to mend was found.": true, "It is recommended.": false,
		"Copies it. Of several keys one counts.": true, "Of returns a selection.": false,
		"Extensions hear nothing of it.": true, "Whoever has it owns it.": true, "Options says how a Cache works.": true,
		"Says how it is closed": false, "ErrNotFound is what a Store returns": true, "NewX makes a store, which is to be closed": true,
		"Who comes first is served first": true, "there is no release of version 1": false, "that is no figure of ours": true,
	} {
		found := slices.ContainsFunc(words, func(w struct {
			phrase *regexp.Regexp
			write  string
		}) bool {
			return w.phrase.MatchString(text)
		})
		if found != bad {
			t.Errorf("%q: %v", text, found)
		}
	}
}
