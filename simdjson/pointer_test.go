package simdjson

import "testing"

func TestPointer(t *testing.T) {
	// The document of RFC 6901, section 5, and its pointers.
	doc, err := Parse([]byte(`{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8,"~1":9}`))
	if err != nil {
		t.Fatal(err)
	}
	defer doc.Close()
	for pointer, want := range map[string]string{
		"/foo": `["bar","baz"]`, "/foo/0": `"bar"`, "/foo/1": `"baz"`, "/": "0", "/a~1b": "1", "/c%d": "2", "/e^f": "3",
		"/g|h": "4", `/i\j`: "5", `/k"l`: "6", "/ ": "7", "/m~0n": "8", "/~01": "9",
	} {
		if got := string(doc.Root().Pointer(pointer).Raw()); got != want {
			t.Errorf("%q: got %s, want %s", pointer, got, want)
		}
	}
	if got := doc.Root().Pointer(""); got != doc.Root() {
		t.Error("the empty pointer is not the root")
	}
	for _, pointer := range []string{"foo", "/bar", "/foo/2", "/foo/-", "/foo/00", "/foo/01", "/foo/", "/foo/0/x", "/foo/1e0", "/foo/99999999999999999999", "/m~n", "/m~", "/m~2n", "/m~0n~", "//"} {
		if got := doc.Root().Pointer(pointer); got.Kind() != Invalid {
			t.Errorf("%q: got %s", pointer, got.Raw())
		}
	}
	if (Value{}).Pointer("/a").Kind() != Invalid {
		t.Error("a value that does not exist has a member")
	}
}
