package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/shelfwire/shelfwire/internal/stream"
)

// DeleteBefore deletes the records of a partition before the offset, which must not be above the partition's end. The broker may
// keep some of them for a while: it frees whole files.
func (c *Cluster) DeleteBefore(ctx context.Context, p stream.Partition, offset int64) error {
	name := c.name(p.Topic)
	var offsets kadm.Offsets
	offsets.AddOffset(name, p.ID, offset, -1)
	done, err := c.admin.DeleteRecords(ctx, offsets)
	if err == nil {
		err = done.Error()
	}
	if err != nil {
		return fmt.Errorf("delete the records of %s/%d before offset %d: %w", name, p.ID, offset, err)
	}
	return nil
}

// DeleteTopic deletes a topic with everything in it, and returns when the brokers have forgotten it.
func (c *Cluster) DeleteTopic(ctx context.Context, t stream.Topic) error {
	name := c.name(t)
	done, err := c.admin.DeleteTopic(ctx, name)
	if err == nil {
		err = done.Err
	}
	if err != nil {
		return fmt.Errorf("delete topic %s: %w", name, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, propagation, fmt.Errorf("topic %s was deleted, but is still there after %v", name, propagation))
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := c.describe(ctx, t)
		if errors.Is(err, ErrNoTopic) {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Members returns how many members the group (without the installation's prefix) has now, 0 for one that does not exist. One that
// was killed counts until its session has timed out.
func (c *Cluster) Members(ctx context.Context, group string) (int, error) {
	groups, err := c.admin.DescribeGroups(ctx, c.cfg.Prefix+group)
	if err != nil {
		return 0, fmt.Errorf("members of group %s: %w", group, err)
	}
	return len(groups[c.cfg.Prefix+group].Members), nil
}
