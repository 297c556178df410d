//go:build integration

package simtest_test

import (
	"os"
	"strings"
	"testing"
	"time"
)

// An input topic that was deleted and made again is taken in when a person has said so, and only then.
func TestAnInputTopicThatIsMadeAgain(t *testing.T) {
	in := newInstallation(t)
	first, second := writeLoad(t, 5_000, 9), writeLoad(t, 5_000, 10)
	ingest, allocator := in.start("ingest"), in.start("allocator")
	ingest.ready()
	allocator.ready()
	in.sendAll(first)
	folded := in.servers.folded()
	ingest.stop()

	if _, err := in.servers.kafka.DeleteTopics(t.Context(), in.name+".movements"); err != nil {
		t.Fatal(err)
	}
	in.wait("the topic is made again", time.Minute, func() (bool, error) {
		_, _, status := in.command("topics", "apply")
		return status == 0, nil
	})
	if out, err := in.send(second.file)(); err != nil {
		t.Fatalf("send: %v\n%s", err, out)
	}
	ingest = in.start("ingest")
	in.wait("ingest asks a person", time.Minute, func() (bool, error) {
		text, err := os.ReadFile(ingest.log.Name())
		return strings.Contains(string(text), "shelfwire origins accept movements"), err
	})
	if now := in.servers.folded(); now != folded {
		t.Errorf("%d entries more were folded before anybody said so", now-folded)
	}
	if _, stderr, status := in.command("origins", "accept", "movements"); status != 1 || !strings.Contains(stderr, "stop ingest first") {
		t.Errorf("origins accept under a running ingest: status %d, %s", status, stderr)
	}
	ingest.stop()
	in.wait("the topic is accepted", time.Minute, func() (bool, error) {
		_, _, status := in.command("origins", "accept", "movements")
		return status == 0, nil
	})
	in.start("ingest").ready()
	in.wait("every event is folded", time.Minute, func() (bool, error) {
		settled, err := in.servers.settled()
		return settled && in.servers.folded() > folded, err
	})
	for s, n := range second.sums {
		first.sums[s] += n
	}
	in.compare(first)
}
