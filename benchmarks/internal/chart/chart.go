// Package chart draws charts, by Apache ECharts: interactively in a page, and as SVG files.
// What a chart shows is data in Go; charts.js makes ECharts's options of it, for the browser
// and for the JavaScript interpreter that draws SVG files alike.
package chart

import (
	_ "embed"
)

// Version is that of ECharts.
const Version = "6.1.0"

//go:embed echarts/echarts.common.min.js
var library string

//go:embed charts.js
var options string

//go:embed page.js
var drawAll string

//go:embed page.css
var style string

// Script returns what a page needs to draw charts: ECharts, and a function
// chartOption(chart, {width, dark}), which returns the option of a [Chart].
func Script() string { return library + "\n" + options }

// Drawing returns the script of a page that draws its charts, which it has in an array that is
// named charts, into the elements "chart-" and their name. It comes after [Script].
func Drawing() string { return drawAll }

// Style returns the style of a page with charts.
func Style() string { return style }

// Chart is what one chart shows.
type Chart struct {
	Name  string `json:"name"` // of its file or element, unique among the charts of a page
	Title string `json:"title"`
	// About says what there is to see, for those who do not see it.
	About  string   `json:"about"`
	Kind   Kind     `json:"kind"`
	X      string   `json:"x"`               // what the horizontal axis counts, "" for what needs no name
	Y      string   `json:"y"`               // the unit of values
	Names  []string `json:"names,omitempty"` // of bars, from the top
	Line   float64  `json:"line,omitempty"`  // a value to mark, if not 0
	Marks  []Mark   `json:"marks,omitempty"` // of lines
	Series []Series `json:"series"`
}

// Mark is a time in which something happened, from one X to another.
type Mark struct {
	Name string  `json:"name"`
	From float64 `json:"from"`
	To   float64 `json:"to"`
}

// Kind says how a chart draws its series.
type Kind string

const (
	// Lines are points over a linear axis.
	Lines Kind = "lines"
	// Percentiles are points whose X are percentiles below 100. Their axis stretches
	// towards 100, so that the tail can be seen.
	Percentiles Kind = "percentiles"
	// Bars are horizontal, those of one name under each other.
	Bars Kind = "bars"
	// Stack is bars, those of one name in a row.
	Stack Kind = "stack"
)

// Series is a line, or the bars of one colour.
type Series struct {
	Name   string       `json:"name"`
	Points [][2]float64 `json:"points,omitempty"` // of lines
	Values []float64    `json:"values,omitempty"` // of bars, one for each name
	Labels []string     `json:"labels,omitempty"` // beside bars, instead of their values
}

// Empty reports whether there is nothing to draw.
func (c Chart) Empty() bool {
	for _, s := range c.Series {
		if len(s.Points)+len(s.Values) > 0 {
			return false
		}
	}
	return true
}
