package simdjson

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func linesOf(p *Parser, r io.Reader) (got []string) {
	for doc, err := range p.ParseLines(r) {
		if err != nil {
			if doc != nil {
				got = append(got, "a document beside an error")
			}
			var line *LineError
			if !errors.As(err, &line) {
				line = &LineError{Line: -1}
			}
			got = append(got, fmt.Sprintf("%d/%d %v", line.Index, line.Line, line.Err))
			continue
		}
		got = append(got, string(doc.Root().Raw()))
		doc.Close()
	}
	return got
}

func TestParseLines(t *testing.T) {
	long := `"` + strings.Repeat("x", 300_000) + `"`
	var syntax *SyntaxError
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", nil},
		{"blank lines", "\n \r\n\t\n", nil},
		{"lines", "1\n{\"a\":2}\r\n  [3]  \n", []string{"1", `{"a":2}`, "[3]"}},
		{"no newline at the end", "1\n2", []string{"1", "2"}},
		{"bad lines", "1\n\n{\n2\n3 4\n", []string{"1", "1/3 unexpected end of JSON input", "2", "3/5 invalid character '4' after top-level value"}},
		{"longer than the buffer", long + "\n1\n" + long, []string{long, "1", long}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for how, r := range map[string]io.Reader{"at once": strings.NewReader(c.text), "in halves": iotest.HalfReader(strings.NewReader(c.text)), "with the error": iotest.DataErrReader(strings.NewReader(c.text))} {
				if got := linesOf(&standard, r); fmt.Sprint(got) != fmt.Sprint(c.want) {
					t.Errorf("%s: got %.200q, want %.200q", how, got, c.want)
				}
			}
		})
	}
	for _, err := range ParseLines(strings.NewReader("{")) {
		if !errors.As(err, &syntax) || err.Error() != "line 1: unexpected end of JSON input" {
			t.Errorf("got %v", err)
		}
	}
}

// Columns are those of the stream's line, whose indentation is a part of it.
func TestParseLinesColumn(t *testing.T) {
	n := 0
	for _, err := range ParseLines(strings.NewReader("\n    {x}\r\n" + strings.Repeat(" ", 100_000) + "{x}\n")) {
		n++
		want := []int64{6, 100_002}[n-1]
		if e, ok := errors.AsType[*SyntaxError](err); !ok || e.Line != 1 || int64(e.Column) != want || e.Offset != want {
			t.Errorf("line %d: %+v", n, e)
		}
	}
	if n != 2 {
		t.Errorf("%d errors", n)
	}
}

func TestParseLinesLimit(t *testing.T) {
	p := NewParser(Options{MaxBytes: 100_000})
	fits, over := strings.Repeat("1", 100_000), strings.Repeat("1", 100_001)
	got := linesOf(p, strings.NewReader(over+"\n"+fits+"\r\n"+over))
	want := []string{
		"0/1 simdjson: document too large: a line of 100002 bytes, limit 100000", fits,
		"2/3 simdjson: document too large: a line of 100001 bytes, limit 100000",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %.400q", got)
	}
	// What is beyond the limit is not held.
	endless := io.LimitReader(iotest.DataErrReader(zeros{}), 256<<20)
	before := memoryInUse()
	if got := linesOf(p, endless); len(got) != 1 || !strings.Contains(got[0], "too large") {
		t.Errorf("got %.200q", got)
	}
	if grown := memoryInUse() - before; grown > 16<<20 {
		t.Errorf("a line that is too large took %d bytes", grown)
	}
}

func TestParseLinesReadError(t *testing.T) {
	broken := errors.New("broken")
	r := io.MultiReader(strings.NewReader("1\n2\n{\"cut"), iotest.ErrReader(broken))
	if got := linesOf(&standard, r); fmt.Sprint(got) != "[1 2 2/3 broken]" {
		t.Errorf("got %q", got)
	}
	for _, err := range ParseLines(iotest.ErrReader(broken)) {
		if !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
	}
}

// An error of the reader is its own also if it is one that a line may have: reading does
// not go on.
func TestParseLinesReadErrorOfALine(t *testing.T) {
	bad := fmt.Errorf("reader: %w", ErrTooLarge)
	r := io.MultiReader(strings.NewReader("1\n"), iotest.ErrReader(bad))
	n := 0
	for _, err := range ParseLines(r) {
		if n++; n > 2 {
			t.Fatal("it reads on after the reader's error")
		}
		if (err != nil) != (n == 2) || n == 2 && !errors.Is(err, bad) {
			t.Errorf("document %d: %v", n, err)
		}
	}
}

// Only io.EOF itself is the end, and an ErrBufferFull of the reader is an error as any other.
func TestParseLinesReadErrorThatLooksHarmless(t *testing.T) {
	for _, bad := range []error{
		fmt.Errorf("fetch: %w", io.EOF), io.ErrUnexpectedEOF, bufio.ErrBufferFull, fmt.Errorf("peek: %w", bufio.ErrBufferFull),
	} {
		for text, before := range map[string]string{"": "", "1\n12": "1 ", "1\n" + strings.Repeat("1", 200_000): "1 "} {
			r := io.MultiReader(strings.NewReader(text), iotest.ErrReader(bad))
			got := make(chan []string, 1)
			go func() { got <- linesOf(&standard, r) }()
			select {
			case got := <-got:
				if want := fmt.Sprintf("[%s%d/%d %v]", before, len(before)/2, len(before)/2+1, bad); fmt.Sprint(got) != want {
					t.Errorf("%.10q: got %.200q, want %s", text, got, want)
				}
			case <-time.After(time.Minute):
				t.Fatalf("%.10q, %v: it does not end", text, bad)
			}
		}
	}
}

func TestParseLinesStops(t *testing.T) {
	n := 0
	for doc := range ParseLines(strings.NewReader("1\n2\n3\n")) {
		doc.Close()
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("got %d documents", n)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = '0'
	}
	return len(b), nil
}
