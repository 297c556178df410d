package redisstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/publisher/toldtest"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// toldHarness gives the conformance suite a told store at address whose keys begin with prefix.
func toldHarness(t *testing.T, address, prefix string) toldtest.Harness {
	return toldtest.Harness{
		Open: func(t *testing.T) toldtest.Store { return open(t, address, prefix).Told() },
		Spoil: func(t *testing.T, partition int32, channel string) {
			t.Helper()
			set(t, address, fmt.Sprintf("%s{o%d}:told:%s", prefix, partition, channel))
		},
	}
}

func set(t *testing.T, address, key string) {
	t.Helper()
	client := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{address}, IsClusterMode: inCluster(t, address)})
	defer client.Close()
	if err := client.Set(t.Context(), key, "not a hash", 0).Err(); err != nil {
		t.Fatal(err)
	}
}

// inCluster reports whether the server is a node of a cluster.
func inCluster(t *testing.T, address string) bool {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: address})
	defer client.Close()
	info, err := client.Info(t.Context(), "cluster").Result()
	return err == nil && strings.Contains(info, "cluster_enabled:1")
}

func TestToldOnMiniredis(t *testing.T) {
	toldtest.Run(t, func(t *testing.T) toldtest.Harness { return toldHarness(t, miniredis.RunT(t).Addr(), "sw:") })
}

// Whatever stands where one of the partition's own keys should be, nothing is written.
func TestToldOnSpoiltKeys(t *testing.T) {
	for _, key := range []string{"meta", "channels"} {
		t.Run(key, func(t *testing.T) {
			server := miniredis.RunT(t)
			s := open(t, server.Addr(), "sw:").Told()
			told, err := s.Take(t.Context(), 1, 0)
			if err != nil {
				t.Fatal(err)
			}
			set(t, server.Addr(), "sw:{o1}:"+key)
			err = s.Save(t.Context(), 1, told.Sequence, publisher.ToldPosition{TopicID: "t", Offset: 1}, []publisher.ToldRow{{Channel: "a/b", Listing: "c/", Value: []byte("v")}})
			if err == nil || errors.Is(err, publisher.ErrFenced) {
				t.Errorf("Save() = %v, want an error that says what is wrong", err)
			}
			if server.Exists("sw:{o1}:told:a/b") {
				t.Error("a row was written all the same")
			}
		})
	}
	server := miniredis.RunT(t)
	s := open(t, server.Addr(), "sw:").Told()
	server.HSet("sw:{o1}:meta", "topic", "t", "offset", "seven")
	if _, err := s.Take(t.Context(), 1, 0); !errors.Is(err, stream.ErrStop) {
		t.Errorf("Take() of a position that is no number = %v, want an alarm", err)
	}
}
