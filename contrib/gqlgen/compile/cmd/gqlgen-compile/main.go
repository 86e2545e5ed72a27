// Command gqlgen-compile generates what gqlgen generate does, and compiled_gen.go: for hosts
// without a program that calls gqlgen's api.Generate.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/99designs/gqlgen/api"
	"github.com/99designs/gqlgen/codegen/config"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/compile"
)

func main() {
	file := flag.String("config", "", "gqlgen's configuration; it is searched for like gqlgen does by default")
	flag.Parse()
	if err := generate(*file); err != nil {
		fmt.Fprintln(os.Stderr, "gqlgen-compile:", err)
		os.Exit(1)
	}
}

func generate(file string) error {
	load := config.LoadConfigFromDefaultLocations
	if file != "" {
		load = func() (*config.Config, error) { return config.LoadConfig(file) }
	}
	cfg, err := load()
	if err != nil {
		return err
	}
	return api.Generate(cfg, api.AddPlugin(compile.New()))
}
