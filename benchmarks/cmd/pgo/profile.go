package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/pprof/profile"

	"github.com/gqlboost/gqlboost/benchmarks/load"
)

// folder has the profiles that no flag names.
const folder = "../out/pgo"

// origin is what a profile was taken of. It is in the profile's comments, which the compiler skips.
type origin struct {
	server string // with its arguments and the size of its data; "" if the profile is from elsewhere
	code   string // see [load.CodeVersion]
	date   time.Time
}

// String returns the origin in words.
func (o origin) String() string {
	text := "taken " + o.date.UTC().Format("2 January 2006 15:04 MST")
	if o.server == "" {
		return text + " elsewhere"
	}
	return fmt.Sprintf("%s of %s, built from %s", text, o.server, o.code)
}

const serverComment, codeComment = "gqlboost server: ", "gqlboost code: "

// sign writes into a profile what it is of.
func sign(file string, o origin) error {
	p, err := parse(file)
	if err != nil {
		return err
	}
	p.Comments = append(p.Comments, serverComment+o.server, codeComment+o.code)
	return load.WriteFile(file, func(w io.Writer) error { return p.Write(w) })
}

// readOrigin reads what a profile is of.
func readOrigin(file string) (o origin, err error) {
	p, err := parse(file)
	if err != nil {
		return o, err
	}
	o.date = time.Unix(0, p.TimeNanos)
	for _, comment := range p.Comments {
		if text, ok := strings.CutPrefix(comment, serverComment); ok {
			o.server = text
		}
		if text, ok := strings.CutPrefix(comment, codeComment); ok {
			o.code = text
		}
	}
	return o, nil
}

func parse(file string) (*profile.Profile, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p, err := profile.Parse(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return p, nil
}

// subject is the server that is measured, as an origin names it.
func (p *pgo) subject() string {
	return strings.Join(slices.Concat([]string{p.server}, p.args, []string{fmt.Sprintf("-scale=%v", p.scale)}), " ")
}

// profileFile returns the file of a server's profile where no flag names one.
func profileFile(subject string) string {
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\: `, r) {
			return '_'
		}
		return r
	}, strings.ReplaceAll(subject, " -", "-"))
	return filepath.Join(folder, name+".pgo")
}

// known returns the origin of a profile that was there before, and an error if it is another server's.
func (p *pgo) known() (origin, error) {
	o, err := readOrigin(p.profile)
	if err == nil && o.server != "" && o.server != p.subject() {
		err = fmt.Errorf("%s is the profile of %s, and this is %s: remove it, or choose another -profile", p.profile,
			o.server, p.subject())
	}
	return o, err
}
