//go:build !gqlboost_debug

package arena

const debugBuild = false
