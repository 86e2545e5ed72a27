// Package guides builds and runs the servers in docs/, follows the quick start of gqlgen, and
// compares docs/operations.md with the metrics: a reader who copies one must get what the page
// promises. The other programs of the pages are run by make install-test.
package guides
