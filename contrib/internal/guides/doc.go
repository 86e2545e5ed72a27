// Package guides builds and runs the programs in README files and in docs/: a reader who
// copies one must get what the page promises.
package guides
