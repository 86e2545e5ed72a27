package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

var (
	redisServer = program{"redis-server", "redis-server"}
	redisTool   = program{"redis-cli", "redis-tools"}
)

const (
	redisNodes = 3
	busOffset  = 10_000 // from a node's port to that of its messages to other nodes
	lastPort   = 65_535
)

// cluster is a Redis cluster: each node has a third of the keys, and no replica.
type cluster struct{ nodes []*redisNode }

type redisNode struct {
	*process
	address string
	args    []string
}

func startCluster(ctx context.Context, dir string) (c *cluster, err error) {
	c = new(cluster)
	for n := range redisNodes {
		address, err := clusterAddress()
		if err != nil {
			return c, err
		}
		_, port, _ := net.SplitHostPort(address)
		node := &redisNode{address: address, args: []string{"--port", port, "--bind", "127.0.0.1", "--save", "",
			"--dir", dir, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000",
			"--cluster-require-full-coverage", "no", "--cluster-config-file", filepath.Join(dir, "node"+strconv.Itoa(n))}}
		if err := node.start(ctx); err != nil {
			return c, err
		}
		c.nodes = append(c.nodes, node)
	}
	tool, err := redisTool.find()
	if err != nil {
		return c, err
	}
	args := append(append([]string{"--cluster", "create"}, c.addresses()...), "--cluster-yes")
	if output, err := exec.CommandContext(ctx, tool, args...).CombinedOutput(); err != nil {
		return c, fmt.Errorf("fleet: redis-cli --cluster create: %w\n%s", err, output)
	}
	return c, nil
}

// clusterAddress returns a free address whose port leaves room for that of the messages.
func clusterAddress() (string, error) {
	for range 100 {
		address, err := freeAddress()
		if err != nil {
			return "", err
		}
		_, text, _ := net.SplitHostPort(address)
		port, _ := strconv.Atoi(text)
		if port+busOffset > lastPort {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+busOffset)))
		if err != nil {
			continue
		}
		return address, l.Close()
	}
	return "", errors.New("fleet: no free port has another one that is free for a Redis cluster")
}

func (n *redisNode) start(ctx context.Context) (err error) {
	p, err := startProcess(ctx, redisServer, n.address, n.args...)
	if err == nil {
		n.process = p
	}
	return err
}

func (c *cluster) addresses() (list []string) {
	for _, n := range c.nodes {
		list = append(list, n.address)
	}
	return list
}

func (c *cluster) stop() error {
	var errs []error
	for _, n := range c.nodes {
		errs = append(errs, n.stop())
	}
	return errors.Join(errs...)
}

// killRedisNode takes a third of the keys away, and gives an empty node back.
func killRedisNode(ctx context.Context, f *fleet) error {
	node := f.redis.nodes[0]
	node.kill()
	f.wait(ctx, 5*time.Second)
	return node.start(ctx)
}

// hangFor is longer than instances believe a node that says nothing.
const hangFor = blindFor + 3*time.Second

// hangRedisNode has a node stand still, and nobody is told.
func hangRedisNode(ctx context.Context, f *fleet) error {
	node := f.redis.nodes[1]
	if err := node.hang(); err != nil {
		return err
	}
	f.wait(ctx, hangFor)
	return node.goOn()
}
