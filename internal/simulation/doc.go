// Package simulation holds seeded runs of ingest and the allocator, with their real adapters, on a broker, a Redis and a network
// in memory, in a bubble of fake time. The seed decides the input and what goes wrong when; at the end everything is compared
// with the input. Others are of the members of a group alone, and compare their workers with what the broker has given to whom.
//
// Its tests have the build tag synctests, which is franz-go's own: `make test-sim`, and 50 seeds of each in `make test`.
package simulation
