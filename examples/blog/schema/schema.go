// Package schema is the blog's GraphQL schema.
package schema

import _ "embed"

// SDL is the schema's text.
//
//go:embed schema.graphql
var SDL string
