package kafka

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/shelfwire/shelfwire/internal/stream"
)

// ErrAtWork is returned where a group's offsets cannot be set because it has members.
var ErrAtWork = errors.New("the group is at work")

// Accept lets the group (without the installation's prefix) begin with the topic as it is now: at its first record, or atEnd at what
// comes from now on. It returns ErrAtWork as long as the group has members.
func (c *Cluster) Accept(ctx context.Context, group string, t stream.Topic, atEnd bool) error {
	d, err := c.describe(ctx, t)
	if err != nil {
		return err
	}
	list := c.admin.ListStartOffsets
	if atEnd {
		list = c.admin.ListEndOffsets
	}
	listed, err := list(ctx, c.name(t))
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return fmt.Errorf("offsets of %s: %w", c.name(t), err)
	}
	var offsets kadm.Offsets
	listed.Each(func(o kadm.ListedOffset) {
		offsets.Add(kadm.Offset{Topic: o.Topic, Partition: o.Partition, At: o.Offset, LeaderEpoch: -1, Metadata: hex.EncodeToString(d.ID[:])})
	})
	done, err := c.admin.CommitOffsets(ctx, c.cfg.Prefix+group, offsets)
	if err == nil {
		err = done.Error()
	}
	if errors.Is(err, kerr.UnknownMemberID) {
		return fmt.Errorf("group %s: %w", group, ErrAtWork)
	}
	if err != nil {
		return fmt.Errorf("begin group %s with %s: %w", group, c.name(t), err)
	}
	return nil
}
