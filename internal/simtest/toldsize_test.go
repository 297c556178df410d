//go:build integration

package simtest_test

import (
	"fmt"
	"log/slog"
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
			for n := 0; n < listings; n += 1000 {
				var batch []publisher.ToldRow
				for i := n; i < n+1000; i++ {
					r := rows[i%len(rows)]
					_, location, _ := strings.Cut(r.Listing, "/")
					r.Listing = fmt.Sprintf("SKU-%07d/%s", i, location)
					bytes += len(r.Listing) + len(r.Value)
					batch = append(batch, r)
				}
				if err := store.Told().Save(t.Context(), partition, owner.Sequence+int64(n/1000), publisher.ToldPosition{TopicID: "t", Offset: 1}, batch); err != nil {
					t.Fatal(err)
				}
			}
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
