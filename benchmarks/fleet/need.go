package fleet

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// programs are what the fleet needs of the distribution, besides Postgres.
var programs = []program{haproxy, pgbouncer, redisServer, redisTool}

// Need returns an error if a program is missing. With mayInstall it is installed, where that can
// be done: as root, by apt-get.
func Need(ctx context.Context, mayInstall bool) error {
	var missing []string
	for _, p := range programs {
		if _, err := p.find(); err != nil {
			missing = append(missing, p.debian)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	apt, err := exec.LookPath("apt-get")
	if !mayInstall || err != nil || os.Geteuid() != 0 {
		return fmt.Errorf("install these first (Debian's names): %s", strings.Join(missing, " "))
	}
	install := append([]string{"install", "-yq", "--no-install-recommends"}, missing...)
	for _, args := range [][]string{{"update", "-q"}, install} {
		cmd := exec.CommandContext(ctx, apt, args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if output, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", args[0], err, output)
		}
	}
	return nil
}
