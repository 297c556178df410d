// Package scratch gives a benchmark a place of its own on real servers, and takes everything away at the end.
package scratch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A Place is a prefix that nobody else uses, on the servers that the integration tests use too.
type Place struct {
	Brokers []string
	Redis   string
	Prefix  string // of topics, groups and keys; it ends in a dot
	Admin   *kadm.Client

	client *kgo.Client
	opened time.Time
	load   string
}

// Open connects to the servers that SHELFWIRE_TEST_KAFKA and SHELFWIRE_TEST_REDIS name. Close must be called.
func Open(ctx context.Context, getenv func(string) string) (*Place, error) {
	for _, name := range []string{"SHELFWIRE_TEST_KAFKA", "SHELFWIRE_TEST_REDIS"} {
		if getenv(name) == "" {
			return nil, fmt.Errorf("%s is not set: host:port of a server for tests", name)
		}
	}
	brokers := getenv("SHELFWIRE_TEST_KAFKA")
	p := &Place{
		Brokers: strings.Split(brokers, ","), Redis: getenv("SHELFWIRE_TEST_REDIS"),
		Prefix: "bench-" + strings.ToLower(rand.Text()[:8]) + ".",
		opened: time.Now(), load: loadAverage(),
	}
	var err error
	if p.client, err = kgo.NewClient(kgo.SeedBrokers(p.Brokers...)); err != nil {
		return nil, err
	}
	if err := p.client.Ping(ctx); err != nil {
		p.client.Close()
		return nil, fmt.Errorf("Kafka at %s: %w", brokers, err) //nolint:staticcheck // a name
	}
	p.Admin = kadm.NewClient(p.client)
	return p, nil
}

// Forget deletes every key of Redis that begins with prefix.
func (p *Place) Forget(ctx context.Context, prefix string) error {
	client := redis.NewClient(&redis.Options{Addr: p.Redis})
	defer func() { _ = client.Close() }()
	keys := client.Scan(ctx, 0, prefix+"*", 1000).Iterator()
	for keys.Next(ctx) {
		if err := client.Unlink(ctx, keys.Val()).Err(); err != nil {
			return err
		}
	}
	return keys.Err()
}

// RedisCPU returns how much processor time Redis has spent since it was started, for whomever.
func (p *Place) RedisCPU(ctx context.Context) (time.Duration, error) {
	client := redis.NewClient(&redis.Options{Addr: p.Redis})
	defer func() { _ = client.Close() }()
	info, err := client.Info(ctx, "cpu").Result()
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_user" || name == "used_cpu_sys" {
			seconds, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return 0, fmt.Errorf("%s of Redis: %w", name, err)
			}
			sum += time.Duration(seconds * float64(time.Second))
		}
	}
	return sum, nil
}

// Close deletes the topics, groups and keys of the place and ends its connections. It takes at most a minute.
func (p *Place) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	defer p.client.Close()
	groups, err := p.Admin.ListGroups(ctx)
	problems := []error{err}
	if ours := p.ours(groups.Groups()); len(ours) > 0 {
		_, err = p.Admin.DeleteGroups(ctx, ours...)
		problems = append(problems, err)
	}
	topics, err := p.Admin.ListTopics(ctx)
	problems = append(problems, err)
	if ours := p.ours(topics.Names()); len(ours) > 0 {
		_, err = p.Admin.DeleteTopics(ctx, ours...)
		problems = append(problems, err)
	}
	return errors.Join(append(problems, p.Forget(ctx, p.Prefix))...)
}

func (p *Place) ours(names []string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, p.Prefix) })
}
