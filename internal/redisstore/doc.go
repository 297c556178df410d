// Package redisstore keeps the hot state in Redis: the rows and the position of every journal partition for the allocator,
// what was told per channel for the publisher, and the counts that storefronts read. It is the only package that speaks to
// Redis. schemas/redis.md describes every key.
//
// A journal partition lives in one hash slot, {jN}. Its rows and its position change together in one transaction or not at
// all, and only from the position the writer expected; see [Store.Commit].
package redisstore
