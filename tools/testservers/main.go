// Testservers runs a command with the servers that the integration tests need:
//
//	testservers go test -tags integration ./...
//
// For each of SHELFWIRE_TEST_KAFKA, SHELFWIRE_TEST_REDIS and SHELFWIRE_TEST_CLICKHOUSE that is not set it starts the official image in
// a container, sets the variable for the command, and removes the container at the end. It exits with the status of the command.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	dockercontainer "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

// The images are those of deploy/compose.yaml, but for Redis: so two versions of it are run.
const (
	kafkaImage      = "apache/kafka:4.1.1"
	redisImage      = "redis:7"
	clickhouseImage = "clickhouse/clickhouse-server:26.7"
)

const startTimeout = 3 * time.Minute

// analyst is the user of schemas/clickhouse/roles.sql, for the test that asks as one.
const analyst = `<clickhouse>
  <profiles><reader><readonly>2</readonly></reader></profiles>
  <users><analyst>
    <password>analyst</password><networks><ip>::/0</ip></networks><profile>reader</profile><quota>default</quota>
    <grants><query>GRANT SELECT ON shelfwire.*</query></grants>
  </analyst></users>
</clickhouse>
`

// A server is one container. start returns it also with an error, where there is something to remove.
type server struct {
	variable string
	start    func(ctx context.Context, host string) (testcontainers.Container, string, error)
}

var servers = []server{
	{"SHELFWIRE_TEST_KAFKA", kafka},
	{"SHELFWIRE_TEST_REDIS", redis},
	{"SHELFWIRE_TEST_CLICKHOUSE", clickhouse},
}

func main() {
	if len(os.Args) < 2 || strings.HasPrefix(os.Args[1], "-") {
		fmt.Fprintln(os.Stderr, "usage: testservers COMMAND [ARGUMENT…]")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testservers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, command []string) (err error) {
	var missing []server
	var names []string
	for _, s := range servers {
		if os.Getenv(s.variable) == "" {
			missing, names = append(missing, s), append(names, s.variable)
		}
	}
	environment := os.Environ()
	if len(missing) > 0 {
		host, noDocker := dockerHost(ctx)
		if noDocker != nil {
			return fmt.Errorf("set %s to host:port of servers for tests, or start Docker, which does not answer: %w", strings.Join(names, ", "), noDocker)
		}
		containers, addresses, notStarted := startAll(ctx, host, missing)
		defer func() {
			for _, c := range containers {
				err = errors.Join(err, testcontainers.TerminateContainer(c))
			}
		}()
		if notStarted != nil {
			return notStarted
		}
		environment = append(environment, addresses...)
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = environment, os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	return cmd.Run()
}

// dockerHost returns where the ports of containers are, and an error where no Docker answers.
func dockerHost(ctx context.Context) (string, error) {
	provider, err := testcontainers.NewDockerProvider()
	if err != nil {
		return "", err
	}
	defer provider.Close()
	if err := provider.Health(ctx); err != nil {
		return "", err
	}
	return provider.DaemonHost(ctx)
}

// startAll starts servers side by side and returns what runs, also with an error, and a setting for each.
func startAll(ctx context.Context, host string, servers []server) ([]testcontainers.Container, []string, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	containers, addresses := make([]testcontainers.Container, len(servers)), make([]string, len(servers))
	errs := make([]error, len(servers))
	var wg sync.WaitGroup
	for i, s := range servers {
		wg.Go(func() {
			c, address, err := s.start(ctx, host)
			if err != nil {
				err = fmt.Errorf("start a server for %s: %w", s.variable, err)
			}
			containers[i], addresses[i], errs[i] = c, s.variable+"="+address, err
		})
	}
	wg.Wait()
	return containers, addresses, errors.Join(errs...)
}

// kafka says to its clients where it is, so its port is chosen before it starts.
func kafka(ctx context.Context, host string) (testcontainers.Container, string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", ":0")
	if err != nil {
		return nil, "", err
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	if err := l.Close(); err != nil {
		return nil, "", err
	}
	address := net.JoinHostPort(host, port)
	c, err := testcontainers.Run(ctx, kafkaImage,
		testcontainers.WithExposedPorts("9092/tcp"),
		testcontainers.WithHostConfigModifier(func(c *dockercontainer.HostConfig) {
			c.PortBindings = network.PortMap{network.MustParsePort("9092/tcp"): {{HostPort: port}}}
		}),
		testcontainers.WithEnv(map[string]string{
			"KAFKA_NODE_ID": "1", "KAFKA_PROCESS_ROLES": "broker,controller", "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
			"KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER", "KAFKA_LISTENERS": "INSIDE://:9094,CONTROLLER://:9093,OUTSIDE://:9092",
			"KAFKA_ADVERTISED_LISTENERS":           "INSIDE://localhost:9094,OUTSIDE://" + address,
			"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT",
			"KAFKA_INTER_BROKER_LISTENER_NAME":     "INSIDE", "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
			"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1", "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
			"KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1", "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0", "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "4",
		}),
		testcontainers.WithWaitStrategyAndDeadline(startTimeout, wait.ForListeningPort("9092/tcp")))
	return container(c), address, err
}

func redis(ctx context.Context, _ string) (testcontainers.Container, string, error) {
	c, err := testcontainers.Run(ctx, redisImage,
		testcontainers.WithExposedPorts("6379/tcp"),
		testcontainers.WithCmd("redis-server", "--save", "", "--appendonly", "yes", "--appendfsync", "everysec"),
		testcontainers.WithWaitStrategyAndDeadline(startTimeout, wait.ForLog("Ready to accept connections")))
	if err != nil {
		return container(c), "", err
	}
	address, err := c.PortEndpoint(ctx, "6379/tcp", "")
	return c, address, err
}

func clickhouse(ctx context.Context, _ string) (testcontainers.Container, string, error) {
	c, err := testcontainers.Run(ctx, clickhouseImage,
		testcontainers.WithExposedPorts("9000/tcp", "8123/tcp"),
		testcontainers.WithEnv(map[string]string{"CLICKHOUSE_SKIP_USER_SETUP": "1"}), // else `default` may not come over the network
		testcontainers.WithFiles(testcontainers.ContainerFile{
			Reader: strings.NewReader(analyst), ContainerFilePath: "/etc/clickhouse-server/users.d/analyst.xml", FileMode: 0o644,
		}),
		testcontainers.WithWaitStrategyAndDeadline(startTimeout, wait.ForHTTP("/ping").WithPort("8123/tcp")))
	if err != nil {
		return container(c), "", err
	}
	address, err := c.PortEndpoint(ctx, "9000/tcp", "")
	return c, address, err
}

// container returns c as an interface that is nil where c is.
func container(c *testcontainers.DockerContainer) testcontainers.Container {
	if c == nil {
		return nil
	}
	return c
}
