// Package pages checks what the pages in docs/ and the README files say about the tree: that
// what they name exists, and that their words, and those of the code, are the field's.
package pages
