//go:build integration

package simtest_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/redisstore"
)

// What a real Redis needs for the told state of many listings, whose rows are those that a shoppers' day leaves at rest.
func TestToldStateOnRedis(t *testing.T) {
	const listings = 50_000
	d := live(t, 77)
	name := fmt.Sprintf("size%d:", time.Now().UnixNano())
	store, err := redisstore.Open(t.Context(), redisstore.Config{Addresses: []string{mustEnv(t, "SHELFWIRE_TEST_REDIS")}, Prefix: name}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	direct := redis.NewClient(&redis.Options{Addr: mustEnv(t, "SHELFWIRE_TEST_REDIS")})
	defer direct.Close()
	for partition := range int32(2) {
		told, err := d.store.Told().Take(t.Context(), partition, 0)
		if err != nil {
			t.Fatal(err)
		}
		byChannel := map[string][]publisher.ToldRow{}
		for _, r := range told.Rows {
			if strings.Contains(r.Listing, "/") {
				byChannel[r.Channel] = append(byChannel[r.Channel], r)
			}
		}
		for channel, rows := range byChannel {
			key := fmt.Sprintf("%s{o%d}:told:%s", name, partition, channel)
			owner, err := store.Told().Take(t.Context(), partition, 0)
			if err != nil {
				t.Fatal(err)
			}
			bytes := 0
			var names []string
			for n := 0; n < listings; n += 1000 {
				var batch []publisher.ToldRow
				for i := n; i < n+1000; i++ {
					r := rows[i%len(rows)]
					_, location, _ := strings.Cut(r.Listing, "/")
					r.Listing = fmt.Sprintf("SKU-%07d/%s", i, location)
					bytes += len(r.Listing) + len(r.Value)
					names = append(names, r.Listing)
					batch = append(batch, r)
				}
				if err := store.Told().Save(t.Context(), partition, owner.Sequence+int64(n/1000), publisher.ToldPosition{TopicID: "t", Offset: 1}, batch); err != nil {
					t.Fatal(err)
				}
			}
			hasMoved(t, direct, key, names)
			used, err := direct.MemoryUsage(t.Context(), key, 0).Result()
			if err != nil {
				t.Fatal(err)
			}
			each := float64(used) / listings
			t.Logf("%-14s %5.1f bytes a listing in Redis, %5.1f of them key and value", channel, each, float64(bytes)/listings)
			if each > 150 {
				t.Error("want 150 at the most")
			}
			if err := direct.Del(t.Context(), key, fmt.Sprintf("%s{o%d}:meta", name, partition), fmt.Sprintf("%s{o%d}:channels", name, partition)).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// hasMoved waits until a hash that has grown has left its old table, which counts as well until then: each look-up moves a bucket, but
// none while Redis has a child that writes its files.
func hasMoved(t *testing.T, client *redis.Client, key string, names []string) {
	t.Helper()
	type children struct{ dump, rewrite, forks string }
	ask := func() (c children) {
		info, err := client.InfoMap(t.Context(), "persistence", "stats").Result()
		if err != nil {
			t.Fatal(err)
		}
		return children{info["Persistence"]["rdb_bgsave_in_progress"], info["Persistence"]["aof_rewrite_in_progress"], info["Stats"]["total_forks"]}
	}
	for deadline := time.Now().Add(time.Minute); ; {
		before := ask()
		if before.forks == "" {
			t.Fatal("Redis does not say how often it has forked")
		}
		for some := range slices.Chunk(names, 1000) {
			if err := client.HMGet(t.Context(), key, some...).Err(); err != nil {
				t.Fatal(err)
			}
		}
		if before.dump == "0" && before.rewrite == "0" && ask() == before {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("Redis has been writing its files for a minute: %+v", before)
		}
	}
}
