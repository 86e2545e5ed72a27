package pages

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// walk calls use with the path, relative to the root, of each file that people write.
func walk(t *testing.T, use func(path string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{"node_modules", "out", "bin", ".git"}, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		path, err := filepath.Rel(root, file)
		if err == nil {
			use(filepath.ToSlash(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func exists(path string) bool {
	_, err := os.Stat(filepath.Join(root, path))
	return err == nil
}

var (
	fenced  = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	noSlug  = regexp.MustCompile("[^a-z0-9 _-]")
)

// slugs returns the fragments that a page's headings have on GitHub.
func slugs(text string) (list []string) {
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		list = append(list, strings.ReplaceAll(noSlug.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return list
}

// Links within the repository lead somewhere.
func TestLinks(t *testing.T) {
	links := 0
	walk(t, func(page string) {
		if filepath.Ext(page) != ".md" {
			return
		}
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(read(t, page), ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			links++
			file, fragment, _ := strings.Cut(m[1], "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			if !exists(target) {
				t.Errorf("%s links to %s, which does not exist", page, m[1])
			} else if fragment != "" && !slices.Contains(slugs(read(t, target)), fragment) {
				t.Errorf("%s links to %s, but there is no such heading", page, m[1])
			}
		}
	})
	if links < 100 {
		t.Errorf("only %d links were found", links)
	}
}

var code = regexp.MustCompile("`([^`]+)`")

// The page on architecture names every folder with Go code.
func TestArchitectureNamesEveryFolder(t *testing.T) {
	var named []string
	for _, m := range code.FindAllStringSubmatch(read(t, "docs/architecture.md"), -1) {
		named = append(named, m[1])
	}
	folders := map[string]bool{}
	walk(t, func(path string) {
		dir := filepath.Dir(path)
		if filepath.Ext(path) == ".go" && dir != "." && !strings.Contains(dir, "testdata") {
			folders[dir] = true
		}
	})
	if len(folders) < 50 {
		t.Errorf("only %d folders were found", len(folders))
	}
	for dir := range folders {
		parent := filepath.Dir(dir)
		commands := filepath.Base(parent) == "cmd" && slices.Contains(named, parent)
		if !slices.Contains(named, dir) && !commands {
			t.Errorf("docs/architecture.md does not name %s", dir)
		}
	}
}

// Each change that the page suggests has files to open.
func TestChangesNameFiles(t *testing.T) {
	_, section, found := strings.Cut(read(t, "docs/architecture.md"), "## Where to make a change")
	if !found {
		t.Fatal("the section is gone")
	}
	changes := 0
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) != 4 || strings.Contains(line, "---") || strings.TrimSpace(cells[2]) == "open" {
			continue
		}
		changes++
		files := 0
		for _, m := range code.FindAllStringSubmatch(cells[2], -1) {
			if strings.Contains(m[1], "/") {
				files++
				if !exists(m[1]) {
					t.Errorf("%s: %s does not exist", strings.TrimSpace(cells[1]), m[1])
				}
			}
		}
		if files == 0 {
			t.Errorf("%s: there is no file to open", strings.TrimSpace(cells[1]))
		}
	}
	if changes < 10 {
		t.Errorf("only %d changes", changes)
	}
}

var path = regexp.MustCompile(`^[a-z_./]+/[a-zA-Z_./-]+\.(go|md|yml|json|sql)$`)

// Files that the other pages name exist as well.
func TestPagesNameFiles(t *testing.T) {
	walk(t, func(page string) {
		if filepath.Ext(page) != ".md" || !strings.HasPrefix(page, "docs/") || strings.HasPrefix(page, "docs/quickstart/") {
			return
		}
		for _, m := range code.FindAllStringSubmatch(fenced.ReplaceAllString(read(t, page), ""), -1) {
			if path.MatchString(m[1]) && !exists(m[1]) {
				t.Errorf("%s names %s, which does not exist", page, m[1])
			}
		}
	})
}
