package model

import (
	"fmt"
	"io"
)

// Write prints a report for people.
func Write(w io.Writer, r *Report) {
	for _, s := range r.Servers {
		l, linear := s.Law(), s.Linear()
		one := s.Over(func(r Round) float64 { return r.One.Throughput })
		two := s.Over(func(r Round) float64 { return r.Two.Throughput })
		fmt.Fprintf(w, "%-10s 1 core %5.0f/s, 2 cores %5.0f/s, mispredicted by %+.0f %%, serial share %.3f, "+
			"16 cores %6.0f/s, %d errors\n", s.Name, one.Median, two.Median, 100*linear.Median, l.Serial, l.Throughput(16),
			s.Errors())
	}
	fmt.Fprintln(w, r.Conditions.Figures())
}
