// Package model predicts what a server and its Postgres answer on more cores than were
// measured, with a load generator that has a machine of its own.
//
// It assumes that CPU is what limits them: that nothing else, a disk or a network, is short,
// and that there are connections enough to keep all cores busy. Then throughput follows
// Amdahl's law: of the work of a request, a share can only be done by one core at a time.
// That share is what one core and two cores tell; with two points there is no telling of
// what more cores cost each other in caches, the third parameter of the universal
// scalability law, so predictions for many cores are too good rather than too bad.
package model

import "math"

// Law is Amdahl's.
type Law struct {
	PerCore float64 // requests per second of a single core
	Serial  float64 // share of the work that one core at a time can do; below 0 is taken for 0
}

// Throughput returns requests per second on so many cores, which need not be whole.
func (l Law) Throughput(cores float64) float64 {
	return l.PerCore * cores / (1 + max(l.Serial, 0)*(cores-1))
}

// Shared returns requests per second where a load generator uses the same cores, and takes
// seconds of CPU for each request.
func (l Law) Shared(cores, generator float64) float64 {
	low, high := 0.0, l.Throughput(cores)
	for range 60 { // More than the digits of a float64.
		if middle := (low + high) / 2; l.Throughput(cores-middle*generator) > middle {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// Cores returns the least whole number of cores for so many requests per second, and false if
// no number is enough.
func (l Law) Cores(throughput float64) (int, bool) {
	serial := max(l.Serial, 0)
	cores := throughput / l.PerCore
	if l.PerCore <= 0 || !(serial*cores < 1) { // It is NaN if the throughput is infinite.
		return 0, false
	}
	// A thousandth of a core is no reason to buy another one.
	return int(math.Ceil(max(cores*(1-serial)/(1-serial*cores)-0.001, 1))), true
}

// enough is how many cores must be left to the server and Postgres for a serial share: near
// to one core, it is a small difference divided by another one.
const enough = 1.5

// Fit returns the law of a run on one core and one on more. ok is false if others took too much
// of the cores to tell the serial share, which is 0 then.
func Fit(one, more Run) (l Law, ok bool) {
	l.PerCore = one.Throughput / one.available()
	left := more.available()
	if left < enough || more.Throughput <= 0 {
		return l, false
	}
	l.Serial = (l.PerCore*left/more.Throughput - 1) / (left - 1)
	return l, true
}
