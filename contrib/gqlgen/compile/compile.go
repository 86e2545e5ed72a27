// Package compile is a gqlgen plugin. Beside gqlgen's generated.go it writes compiled_gen.go
// with
//
//	func NewCompiledSchema(cfg Config) graphql.ExecutableSchema
//
// which is used in place of NewExecutableSchema: the same resolvers, answers and errors,
// but operations are compiled once and executed breadth-first, see package compiled. What
// gqlgen has generated stays as it is.
//
//	err := api.Generate(cfg, api.AddPlugin(compile.New()))
//
// For hosts without a program that generates there is a command, cmd/gqlgen-compile.
package compile

import (
	_ "embed"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/99designs/gqlgen/codegen"
	"github.com/99designs/gqlgen/codegen/config"
	"github.com/99designs/gqlgen/codegen/templates"
	"github.com/99designs/gqlgen/plugin"
)

// FileName is the name of the generated file.
const FileName = "compiled_gen.go"

//go:embed compiled.gotpl
var source string

// New returns the plugin.
func New() plugin.Plugin { return generator{} }

type generator struct{}

var (
	_ plugin.ConfigMutator = generator{}
	_ plugin.CodeGenerator = generator{}
)

// Name implements [plugin.Plugin].
func (generator) Name() string { return "gqlboost-compile" }

// MutateConfig removes the file of the last run, whose types may be gone.
func (generator) MutateConfig(cfg *config.Config) error {
	if err := os.Remove(path(cfg)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// GenerateCode writes the file.
func (generator) GenerateCode(data *codegen.Data) error {
	return templates.Render(templates.Options{
		PackageName:     data.Config.Exec.Package,
		Filename:        path(data.Config),
		Template:        source,
		Data:            newSchema(data),
		GeneratedHeader: true,
		Packages:        data.Config.Packages,
	})
}

func path(cfg *config.Config) string { return filepath.Join(cfg.Exec.Dir(), FileName) }
