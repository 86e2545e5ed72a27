//go:build !gqlboost_debug

package arena

const debugBuild = false

// report is never called in this build.
var report func(string)
