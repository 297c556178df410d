//go:build integration

package simtest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// servers looks into the real servers past all of our own code, and takes away what a test has left there.
type servers struct {
	t     *testing.T
	name  string
	kafka *kadm.Client
	redis *redis.Client
}

func openServers(t *testing.T, name, redisAddress string) *servers {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(mustEnv(t, "SHELFWIRE_TEST_KAFKA")))
	if err != nil {
		t.Fatal(err)
	}
	s := &servers{
		t: t, name: name, kafka: kadm.NewClient(client),
		redis: redis.NewClient(&redis.Options{Addr: redisAddress}),
	}
	t.Cleanup(func() {
		s.cleanUp()
		client.Close()
		_ = s.redis.Close()
	})
	return s
}

// cleanUp deletes the topics, groups, keys and the database of the test.
func (s *servers) cleanUp() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fail := func(what string, err error) {
		if err != nil {
			s.t.Errorf("clean up %s: %v", what, err)
		}
	}
	groups, err := s.kafka.ListGroups(ctx)
	fail("groups", err)
	var mine []string
	for _, g := range groups.Groups() {
		if strings.HasPrefix(g, s.name+".") {
			mine = append(mine, g)
		}
	}
	// A member that was killed holds its group for the session's timeout, so deleting one may fail; the broker forgets it.
	_, _ = s.kafka.DeleteGroups(ctx, mine...)
	topics, err := s.kafka.ListTopics(ctx)
	fail("topics", err)
	mine = nil
	for _, t := range topics.Names() {
		if strings.HasPrefix(t, s.name+".") {
			mine = append(mine, t)
		}
	}
	if len(mine) > 0 {
		_, err = s.kafka.DeleteTopics(ctx, mine...)
		fail("topics", err)
	}
	keys := s.redis.Scan(ctx, 0, s.name+":*", 1000).Iterator()
	for keys.Next(ctx) {
		fail("key", s.redis.Unlink(ctx, keys.Val()).Err())
	}
	fail("keys", keys.Err())
	s.dropDatabase()
}

// dropDatabase takes away what is in ClickHouse.
func (s *servers) dropDatabase() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	db, err := clickhouse.Open(&clickhouse.Options{Addr: []string{mustEnv(s.t, "SHELFWIRE_TEST_CLICKHOUSE")}})
	if err == nil {
		err = db.Exec(ctx, "DROP DATABASE IF EXISTS "+s.name+" SYNC")
		_ = db.Close()
	}
	if err != nil {
		s.t.Errorf("drop the database in ClickHouse: %v", err)
	}
}

// folded returns how many journal entries are committed in Redis, over all partitions.
func (s *servers) folded() int64 {
	s.t.Helper()
	var sum int64
	for n := range 8 {
		offset, err := s.redis.HGet(s.t.Context(), fmt.Sprintf("%s:{j%d}:meta", s.name, n), "offset").Int64()
		if err != nil && err != redis.Nil { //nolint:errorlint // go-redis returns it as it is
			s.t.Fatalf("position of journal partition %d: %v", n, err)
		}
		sum += offset
	}
	return sum
}

// journalled returns how many entries the journal has, over all partitions.
func (s *servers) journalled() int64 {
	s.t.Helper()
	ends, err := s.kafka.ListEndOffsets(s.t.Context(), s.name+".journal")
	if err != nil {
		s.t.Fatalf("end of the journal: %v", err)
	}
	var sum int64
	for p, end := range ends[s.name+".journal"] {
		if end.Err != nil {
			s.t.Fatalf("end of journal partition %d: %v", p, end.Err)
		}
		sum += end.Offset
	}
	return sum
}

// settled reports whether all that was sent is in the journal, and all of the journal is folded.
func (s *servers) settled() (bool, error) {
	ctx := s.t.Context()
	committed, err := s.kafka.FetchOffsets(ctx, s.name+".ingest")
	if err != nil {
		return false, err
	}
	ends, err := s.kafka.ListEndOffsets(ctx, s.name+".movements")
	if err != nil {
		return false, err
	}
	for p, end := range ends[s.name+".movements"] {
		at, _ := committed.Lookup(s.name+".movements", p)
		if end.Offset > 0 && at.At < end.Offset {
			return false, nil
		}
	}
	return s.folded() == s.journalled(), nil
}

// onHand returns every count that stands in Redis, by the public form of its rows.
func (s *servers) onHand() map[shelf]int64 {
	s.t.Helper()
	counts := map[shelf]int64{}
	for n := range 8 {
		prefix := fmt.Sprintf("%s:{j%d}:stock:", s.name, n)
		keys := s.redis.Scan(s.t.Context(), 0, prefix+"*", 1000).Iterator()
		for keys.Next(s.t.Context()) {
			rows, err := s.redis.HGetAll(s.t.Context(), keys.Val()).Result()
			if err != nil {
				s.t.Fatal(err)
			}
			for sku, text := range rows {
				var row struct{ Outlets map[string][2]int64 }
				if err := json.Unmarshal([]byte(text), &row); err != nil {
					s.t.Fatalf("row of %s: %v", sku, err)
				}
				for outlet, count := range row.Outlets {
					counts[shelf{strings.TrimPrefix(keys.Val(), prefix), sku, outlet}] = count[0]
				}
			}
		}
		if err := keys.Err(); err != nil {
			s.t.Fatal(err)
		}
	}
	return counts
}
