package load

import (
	"context"
	"runtime"
	"runtime/debug"

	"github.com/jackc/pgx/v5"
	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/mem"

	"github.com/gqlboost/gqlboost/benchmarks/internal/machine"
)

// ThisMachine describes the machine. What it will not tell is left empty.
func ThisMachine() Machine {
	m := Machine{OS: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU(), SIMD: machine.SIMD()}
	if info, err := cpu.Info(); err == nil && len(info) > 0 {
		m.CPU = info[0].ModelName
	}
	if memory, err := mem.VirtualMemory(); err == nil {
		m.Memory = memory.Total
	}
	if info, err := host.Info(); err == nil && info.Platform != "" {
		m.OS += ", " + info.Platform + " " + info.PlatformVersion
	}
	return m
}

// Versions names Go, Postgres and the libraries that the load generator shares
// with the servers.
func Versions(ctx context.Context, dsn string) []Version {
	versions := []Version{{"go", runtime.Version()}}
	if conn, err := pgx.Connect(ctx, dsn); err == nil {
		defer conn.Close(context.WithoutCancel(ctx))
		var version string
		if err := conn.QueryRow(ctx, "show server_version").Scan(&version); err == nil {
			versions = append(versions, Version{"postgres", version})
		}
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dependency := range info.Deps {
			if dependency.Path == "github.com/jackc/pgx/v5" {
				versions = append(versions, Version{"pgx", dependency.Version})
			}
		}
	}
	return versions
}
