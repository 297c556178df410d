package kafka

import (
	"context"
	"fmt"

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

// Members returns how many members the group (without the installation's prefix) has now, 0 for one that does not exist. One that
// was killed counts until its session has timed out.
func (c *Cluster) Members(ctx context.Context, group string) (int, error) {
	groups, err := c.admin.DescribeGroups(ctx, c.cfg.Prefix+group)
	if err != nil {
		return 0, fmt.Errorf("members of group %s: %w", group, err)
	}
	return len(groups[c.cfg.Prefix+group].Members), nil
}
