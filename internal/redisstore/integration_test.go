//go:build integration

package redisstore_test

import (
	"context"
	"crypto/rand"
	"os"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/shelfwire/shelfwire/internal/allocator/storetest"
	"github.com/shelfwire/shelfwire/internal/publisher/toldtest"
)

// realRedis returns the address of a real Redis and a prefix that nobody else uses, whose keys are deleted at the end.
func realRedis(t *testing.T) (address, prefix string) {
	t.Helper()
	address = os.Getenv("SHELFWIRE_TEST_REDIS")
	if address == "" {
		t.Fatal("SHELFWIRE_TEST_REDIS is not set: host:port of a Redis for tests")
	}
	prefix = "test-" + rand.Text() + ":"
	t.Cleanup(func() {
		client := redis.NewClient(&redis.Options{Addr: address})
		defer client.Close()
		ctx := context.WithoutCancel(t.Context())
		keys := client.Scan(ctx, 0, prefix+"*", 1000).Iterator()
		for keys.Next(ctx) {
			client.Unlink(ctx, keys.Val())
		}
		if err := keys.Err(); err != nil {
			t.Errorf("delete the test's keys: %v", err)
		}
	})
	return address, prefix
}

func TestStoreOnRedis(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		address, prefix := realRedis(t)
		return harness(t, address, prefix)
	})
}

func TestToldOnRedis(t *testing.T) {
	toldtest.Run(t, func(t *testing.T) toldtest.Harness {
		address, prefix := realRedis(t)
		return toldHarness(t, address, prefix)
	})
}
