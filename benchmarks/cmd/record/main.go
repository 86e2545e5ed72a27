// Command record runs a benchmark, passes its output on, and adds lines that say which machine
// it ran on, and what else the machine did meanwhile, in the format of a benchmark's
// configuration:
//
//	host: {"os":"linux/amd64","cpu":"AMD EPYC","cores":2,"simd":"AVX-512","date":"2026-11-30T01:00:00Z"}
//	machine: {"stealShare":0.01,"othersCpuShare":0.2,"loadBefore":1.5,"cpuPressureShare":0.3}
//
// Where the latter cannot be had it adds nothing for it.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/gqlboost/gqlboost/benchmarks/internal/cpu"
	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
	"github.com/gqlboost/gqlboost/benchmarks/load"
)

func main() {
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "record COMMAND [ARGUMENTS]: runs a benchmark, and adds to its output "+
			"which machine it ran on, and what else the machine did")
	}
	flag.Parse() // What is left over is the command.
	err := run(os.Stdout, flag.Args())
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		os.Exit(exit.ExitCode())
	case err != nil:
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, command []string) error {
	if len(command) == 0 {
		return errors.New("there is no command to run")
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, out, os.Stderr
	before, own := machine.Read(), cpu.Time()
	err := cmd.Run()
	after := machine.Read()
	used := cpu.Time() - own
	if state := cmd.ProcessState; state != nil {
		used += state.UserTime() + state.SystemTime() // With its children's, a database's too.
	}
	if err != nil {
		return fmt.Errorf("%s: %w", command[0], err)
	}
	host := load.Host{Machine: load.ThisMachine(), Date: time.Now().UTC().Truncate(time.Second)}
	return write(out, host, after.Since(before, used))
}

func write(out io.Writer, host load.Host, c *machine.Conditions) error {
	text, err := json.Marshal(host)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, "host: %s\n", text); err != nil || c == nil {
		return err
	}
	if text, err = json.Marshal(c); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "machine: %s\n", text)
	return err
}
