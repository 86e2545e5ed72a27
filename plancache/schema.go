package plancache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
)

type schemaKey struct{}

// WithSchema returns a context that says which version of the schema a plan is for that
// is given to Add.
func WithSchema(ctx context.Context, version string) context.Context {
	return context.WithValue(ctx, schemaKey{}, version)
}

func schemaOf(ctx context.Context) (string, bool) {
	if ctx == nil {
		return "", false
	}
	version, ok := ctx.Value(schemaKey{}).(string)
	return version, ok
}

// SchemaVersion returns the version of the schema that a build is for, from its context.
func SchemaVersion(ctx context.Context) string {
	version, _ := schemaOf(ctx)
	return version
}

// HashSchema returns a version for a schema's text: texts that differ in white space,
// commas and comments only have the same.
func HashSchema(sdl string) string {
	sum := sha256.Sum256([]byte(Normalize(sdl)))
	return hex.EncodeToString(sum[:16])
}
