// Command release prepares releases of the library and of the modules nested in its tree,
// and checks that what is in the working tree can be installed.
//
//	release prepare v0.2.0     write versions and checksums, commit, tag; nothing is pushed
//	release notes v0.2.0       print what CHANGELOG.md says of a version
//	release api                compare the exported API with the last release
//	release tidy [-diff] dir   go mod tidy for modules that require the library in the tree
//	release proxy dir          write a module proxy that serves the working tree
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

var errUsage = errors.New("usage: release prepare VERSION | notes VERSION | api | tidy [-diff] DIR... | proxy DIR")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	t, err := openTree(ctx, ".")
	if err != nil {
		return err
	}
	switch command, args := args[0], args[1:]; {
	case command == "prepare" && len(args) == 1:
		return t.prepare(ctx, args[0])
	case command == "notes" && len(args) == 1:
		notes, err := t.notes(args[0])
		if err == nil {
			fmt.Println(notes)
		}
		return err
	case command == "api" && len(args) == 0:
		return t.compareAPI(ctx, "")
	case command == "tidy":
		flags := flag.NewFlagSet("tidy", flag.ContinueOnError)
		diff := flags.Bool("diff", false, "print what would change and fail if anything would")
		if err := flags.Parse(args); err != nil {
			return err
		}
		for _, dir := range flags.Args() {
			if err := t.tidy(ctx, dir, *diff); err != nil {
				return fmt.Errorf("%s: %w", dir, err)
			}
		}
		return nil
	case command == "proxy" && len(args) == 1:
		return t.writeProxy(ctx, args[0])
	}
	return errUsage
}
