// Command record runs a benchmark, passes its output on, and adds a line that says what else
// the machine did meanwhile, in the format of a benchmark's configuration:
//
//	machine: {"stealShare":0.01,"othersCpuShare":0.2,"loadBefore":1.5,"cpuPressureShare":0.3}
//
// Where this cannot be had it adds nothing.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/gqlboost/gqlboost/benchmarks/internal/cpu"
	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
)

func main() {
	err := run(os.Stdout, os.Args[1:])
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
	return write(out, after.Since(before, used))
}

func write(out io.Writer, c *machine.Conditions) error {
	if c == nil {
		return nil
	}
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "machine: %s\n", text)
	return err
}
