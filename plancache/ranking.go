package plancache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/gqlboost/gqlboost"
)

// Ranking adds up what the instances of a fleet use, so that a new one learns what it will need.
// It must be safe for concurrent use. Groups are of letters, digits and colons, below 100 bytes;
// members are any bytes, but not none.
type Ranking interface {
	// Count adds uses to those of a group's members that others have counted.
	Count(ctx context.Context, group string, uses []Use, keep Keep) error
	// Top returns up to n members of a group, those that are used most first, which have no more
	// than bytes bytes together. A member that is too large for what is left is left out.
	Top(ctx context.Context, group string, n, bytes int) ([]Use, error)
}

// Use is how often a member of a [Ranking] was used.
type Use struct {
	Member string
	Count  float64
}

// Keep says what a [Ranking] keeps of a group.
type Keep struct {
	Most     int           // members, those that are used most
	HalfLife time.Duration // after which a use counts half
	TTL      time.Duration // of the group, from the last Count on
}

// Uses configures what an instance tells a fleet about its uses, and so what it learns from the
// others: see [Cache.Share]. Ranking is needed; other zero fields have defaults.
type Uses struct {
	Ranking Ranking
	// Name is what is counted: plans of one kind, for example. It is of lower case letters and
	// digits, up to 32. By default it is "plans", "results" or "texts".
	Name string
	// Every is how often uses are told, 30 s by default, give or take a quarter.
	Every time.Duration
	// Most is how many keys the fleet keeps, and how many an instance tells at a time: those
	// that are used most. 1000 by default.
	Most int
	// MaxKey is how many bytes a key may have to be told and to be taken, 64 KiB by default.
	MaxKey int
	// HalfLife is how long it takes until a use counts half, an hour by default.
	HalfLife time.Duration
	// TTL is how long the uses of a version of the schema are kept that nobody has any more,
	// a day by default.
	TTL time.Duration
	// Timeout bounds a call of Ranking, a second by default, also of one that ignores its context.
	Timeout time.Duration
}

const (
	defaultEvery    = 30 * time.Second
	defaultMostUses = 1000
	defaultMaxKey   = 64 << 10
	defaultHalfLife = time.Hour
	defaultUsesTTL  = 24 * time.Hour
	defaultTimeout  = time.Second
)

// ErrNotShared is returned by what needs [Cache.Share], [Results.Share] or [Persisted.Share].
var ErrNotShared = errors.New("plancache: Share was not called")

var groupName = regexp.MustCompile(`^[a-z0-9]{1,32}$`)

// check returns an error for what cannot work, and sets defaults.
func (u *Uses) check(name string) error {
	u.Name = cmp.Or(u.Name, name)
	switch {
	case u.Ranking == nil:
		return errors.New("plancache: Uses.Ranking is nil")
	case !groupName.MatchString(u.Name):
		return fmt.Errorf("plancache: Uses.Name is %q: it must be of up to 32 lower case letters and digits", u.Name)
	case u.Every < 0 || u.HalfLife < 0 || u.TTL < 0 || u.Timeout < 0:
		return fmt.Errorf("plancache: a duration of Uses is negative: Every %v, HalfLife %v, TTL %v, Timeout %v",
			u.Every, u.HalfLife, u.TTL, u.Timeout)
	case u.Most < 0 || u.MaxKey < 0:
		return fmt.Errorf("plancache: Uses.Most is %d and MaxKey is %d: neither must be negative", u.Most, u.MaxKey)
	}
	u.Every = cmp.Or(u.Every, defaultEvery)
	u.Most = cmp.Or(u.Most, defaultMostUses)
	u.MaxKey = cmp.Or(u.MaxKey, defaultMaxKey)
	u.HalfLife = cmp.Or(u.HalfLife, defaultHalfLife)
	u.TTL = cmp.Or(u.TTL, defaultUsesTTL)
	u.Timeout = cmp.Or(u.Timeout, defaultTimeout)
	return nil
}

func (u *Uses) keep() Keep { return Keep{Most: u.Most, HalfLife: u.HalfLife, TTL: u.TTL} }

// group is the group of what does not depend on the schema, or of a version of it.
func (u *Uses) group() string { return "uses:" + u.Name }

func (u *Uses) groupOf(version string) string { return u.group() + ":" + version }

// versionName is what a version of the schema is called in a ranking: it may be empty, or the whole
// schema.
func versionName(version string) string { return strings.TrimSuffix(versionKey(version), ":") }

// isVersionName reports whether a member is one. A ranking may have others.
func isVersionName(s string) bool { return len(s) == len(versionName("")) && isHex(s) }

// versions is the group whose members are the names of versions of the schema.
func (u *Uses) versions() string { return u.group() + ":versions" }

// join makes texts one, and split takes them apart again.
func join(parts ...string) string { return string(appendTexts(nil, parts...)) }

// split reports whether a text is so many that join has made one.
func split(text string, parts ...*string) bool {
	s := source{rest: []byte(text)}
	return s.texts(parts...) == nil && len(s.rest) == 0
}

// FleetStats holds the counts of what a fleet was told, and of what came from it.
type FleetStats struct {
	Told   uint64 // keys whose uses were added to those of the fleet
	Errors uint64 // of Ranking
	Warmed Warmed // by all calls of WarmShared
}

// usesMetrics are those of a sharing, nil if there is none.
func usesMetrics(s *sharing, prefix string) (list []gqlboost.Metric) {
	if s == nil {
		return nil
	}
	stats := s.stats()
	count := func(name, unit, help string, n uint64, attrs ...gqlboost.Attr) {
		list = append(list, gqlboost.Metric{Name: prefix + name, Unit: unit, Help: help, Kind: gqlboost.Counter,
			Value: float64(n), Attrs: attrs})
	}
	count("fleet.told", "{key}", "Keys whose uses the fleet was told.", stats.Told)
	count("fleet.errors", "{error}", "Errors of the ranking of the fleet.", stats.Errors)
	w := stats.Warmed
	for _, each := range []struct {
		result string
		n      int
	}{
		{"built", w.Built}, {"fetched", w.Fetched}, {"present", w.Present}, {"failed", w.Failed},
		{"invalid", w.Invalid}, {"left", w.Left},
	} {
		count("fleet.warmed", "{key}", "Keys that came from the fleet, by what became of them.", uint64(each.n),
			gqlboost.Attr{Key: "result", Value: each.result})
	}
	return list
}
