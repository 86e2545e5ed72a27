package redis

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// StartCluster starts three servers that are a cluster, all of them masters.
func StartCluster(t testing.TB) (nodes []*Server) {
	t.Helper()
	create := []string{"--cluster", "create"}
	for range 3 {
		node := Start(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "5000")
		nodes = append(nodes, node)
		create = append(create, node.Address)
	}
	if out, err := exec.Command("redis-cli", append(create, "--cluster-yes")...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, node := range nodes {
		node.WaitCluster()
	}
	return nodes
}

// WaitCluster waits until a node finds that its cluster works.
func (s *Server) WaitCluster() {
	s.t.Helper()
	host, port, _ := strings.Cut(s.Address, ":")
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		out, err := exec.Command("redis-cli", "-h", host, "-p", port, "cluster", "info").Output()
		if err == nil && strings.Contains(string(out), "cluster_state:ok") {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the cluster is none: %v: %s", err, out)
		}
	}
}
