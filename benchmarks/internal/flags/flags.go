// Package flags parses the arguments of commands that measure, and refuses those that would
// measure something else than was asked for: an argument too many, a number that is negative,
// a time of nothing.
package flags

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Parse parses arguments, none of which may be left over, and checks them as [Check] does.
func Parse(f *flag.FlagSet, args []string, positive ...string) error {
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: flags begin with a dash", f.Arg(0))
	}
	return Check(f, positive...)
}

// Check returns an error if a number or a time that was set is below zero or not finite, or if
// one of those named in positive is zero. What was not set has its default, which may mean
// something of its own.
func Check(f *flag.FlagSet, positive ...string) error {
	for _, name := range positive {
		if f.Lookup(name) == nil {
			return fmt.Errorf("there is no flag -%s to check", name)
		}
	}
	var errs []error
	f.Visit(func(set *flag.Flag) {
		v, ok := number(set.Value)
		switch {
		case !ok:
		case math.IsNaN(v) || math.IsInf(v, 0) || v < 0:
			errs = append(errs, fmt.Errorf("-%s is %v: it must not be negative", set.Name, set.Value))
		case v == 0 && slices.Contains(positive, set.Name):
			errs = append(errs, fmt.Errorf("-%s is %v: it must be more than that", set.Name, set.Value))
		}
	})
	return errors.Join(errs...)
}

// number returns the value of a flag that has one.
func number(v flag.Value) (float64, bool) {
	getter, ok := v.(flag.Getter)
	if !ok {
		return 0, false
	}
	switch v := getter.Get().(type) {
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case time.Duration:
		return float64(v), true
	}
	return 0, false
}

// Command returns the command that a parsed f belongs to, as a reader has to give it: the
// target of make, with those flags in ARGS that have another value than their default. Flags
// that change no figure, such as the names of files, are left out.
func Command(f *flag.FlagSet, target string, without ...string) string {
	var args []string
	f.VisitAll(func(set *flag.Flag) {
		value := set.Value.String()
		if value == set.DefValue || slices.Contains(without, set.Name) {
			return
		}
		if value == "" || strings.ContainsAny(value, " \t'\"$\\") {
			value = strconv.Quote(value)
		}
		args = append(args, "-"+set.Name+"="+value)
	})
	if len(args) == 0 {
		return target
	}
	return fmt.Sprintf("%s ARGS='%s'", target, strings.Join(args, " "))
}
