package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/shelfwire/shelfwire/internal/stream"
)

// A Layout says how an installation's topics are to be.
type Layout struct {
	Inputs   int32 // partitions of movements, orders and catalogue
	Journal  int32 // partitions of the journal: for life
	Accounts int32 // partitions of offers, shipments, communications and commands: for life, and equal
	Outputs  int32 // partitions of availability, allocations and rejections
	// Replication is the copies of each partition, 0 for one, −1 for the brokers' default. min.insync.replicas is 2 where it
	// is at least 2; where it is −1 the brokers' default.
	Replication int16
	// Plain keeps everything until somebody deletes it. The embedded broker compacts at once, which nobody could read in time; and
	// one that has deleted the last record of a partition gives out its offsets again after a kill.
	Plain bool
}

// A topicPlan is how one topic is to be.
type topicPlan struct {
	topic      stream.Topic
	partitions int32
	configs    map[string]string
}

const day = 24 * time.Hour

// maxMessageBytes is how large a batch every topic must take. A record that a topic refuses for ever would hold up
// everything behind it.
const maxMessageBytes = 2 << 20

// plan returns every topic with its settings, as the table of the design has them.
func (l Layout) plan() []topicPlan {
	kept := func(d time.Duration) map[string]string {
		ms := strconv.FormatInt(d.Milliseconds(), 10)
		if l.Plain {
			ms = "-1"
		}
		return map[string]string{"cleanup.policy": "delete", "retention.ms": ms}
	}
	compacted := func(policy string, retention time.Duration) map[string]string {
		if l.Plain {
			return kept(0)
		}
		m := map[string]string{"cleanup.policy": policy, "min.compaction.lag.ms": strconv.FormatInt((7 * day).Milliseconds(), 10)}
		if retention > 0 {
			m["retention.ms"] = strconv.FormatInt(retention.Milliseconds(), 10)
		}
		return m
	}
	plan := []topicPlan{
		{stream.Movements, l.Inputs, kept(7 * day)},
		{stream.Orders, l.Inputs, kept(7 * day)},
		{stream.Catalogue, l.Inputs, kept(30 * day)},
		{stream.Journal, l.Journal, kept(30 * day)},
		{stream.Commands, l.Accounts, kept(day)},
		{stream.Availability, l.Outputs, compacted("compact", 0)},
		{stream.Allocations, l.Outputs, compacted("compact,delete", 90*day)},
		{stream.Offers, l.Accounts, compacted("compact", 0)},
		{stream.Shipments, l.Accounts, kept(30 * day)},
		{stream.Communications, l.Accounts, kept(30 * day)},
		{stream.Rejections, l.Outputs, kept(30 * day)},
	}
	for i := range plan {
		plan[i].configs["max.message.bytes"] = strconv.Itoa(maxMessageBytes)
		if l.Replication >= 2 {
			plan[i].configs["min.insync.replicas"] = "2"
		}
	}
	return plan
}

// ApplyTopics makes the topics that are missing and returns their names. One that exists with another number of partitions, or
// with settings that lose records, is an error that says what differs: neither is changed behind anybody's back.
func (c *Cluster) ApplyTopics(ctx context.Context, l Layout) (made []stream.Topic, err error) {
	details, err := c.listTopics(ctx, l)
	if err != nil {
		return nil, err
	}
	for _, t := range l.plan() {
		if _, ok := details[c.name(t.topic)]; ok {
			continue
		}
		configs := map[string]*string{}
		for k, v := range t.configs {
			configs[k] = &v
		}
		copies := l.Replication
		if copies == 0 {
			copies = 1
		}
		resp, err := c.admin.CreateTopic(ctx, t.partitions, copies, configs, c.name(t.topic))
		if err == nil {
			err = resp.Err
		}
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return made, fmt.Errorf("make topic %s: %w", c.name(t.topic), err)
		}
		made = append(made, t.topic)
	}
	// Brokers tell each other of a new topic in their own time.
	for deadline := time.Now().Add(propagation); len(made) > 0 && time.Now().Before(deadline); {
		if details, err = c.listTopics(ctx, l); err != nil || len(details) == len(l.plan()) {
			break
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return made, ctx.Err()
		}
	}
	return made, c.CheckTopics(ctx, l)
}

// propagation is how long new topics, and the first group of a new broker, may take to be seen.
const propagation = 15 * time.Second

// CheckTopics returns an error that names everything about the topics that is not as the layout says, and what to do.
func (c *Cluster) CheckTopics(ctx context.Context, l Layout) error {
	details, err := c.listTopics(ctx, l)
	if err != nil {
		return err
	}
	var problems []string
	var present []string
	for _, t := range l.plan() {
		name := c.name(t.topic)
		d, ok := details[name]
		if !ok {
			problems = append(problems, fmt.Sprintf("topic %s is missing: run `shelfwire topics apply`", name))
			continue
		}
		present = append(present, name)
		if n := int32(len(d.Partitions)); n != t.partitions {
			problems = append(problems, fmt.Sprintf("topic %s has %d partitions, the configuration says %d: partitions are for life, so set the number it has",
				name, n, t.partitions))
		}
	}
	settings, err := c.settings(ctx, present)
	if err != nil {
		return err
	}
	for _, t := range l.plan() {
		name := c.name(t.topic)
		have := settings[name]
		if policy := have["cleanup.policy"]; t.configs["cleanup.policy"] == "delete" && strings.Contains(policy, "compact") {
			problems = append(problems, fmt.Sprintf("topic %s is compacted (cleanup.policy=%s) and would lose records: set cleanup.policy=delete", name, policy))
		}
		if n, err := strconv.Atoi(have["max.message.bytes"]); err == nil && n < maxMessageBytes && !slices.Contains(stream.Inputs(), t.topic) {
			problems = append(problems, fmt.Sprintf("topic %s takes messages of %d bytes at most (max.message.bytes), which one record may be longer than: set it to %d", name, n, maxMessageBytes))
		}
	}
	if problems != nil {
		return errors.New(strings.Join(problems, "\n"))
	}
	return nil
}

func (c *Cluster) listTopics(ctx context.Context, l Layout) (kadm.TopicDetails, error) {
	var names []string
	for _, t := range l.plan() {
		names = append(names, c.name(t.topic))
	}
	details, err := c.admin.ListTopics(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	for name, d := range details {
		if errors.Is(d.Err, kerr.UnknownTopicOrPartition) || d.Err == nil && len(d.Partitions) == 0 {
			delete(details, name)
		} else if d.Err != nil {
			return nil, fmt.Errorf("topic %s: %w", name, d.Err)
		}
	}
	return details, nil
}

// settings returns the settings of each topic by name. A broker that does not tell says nothing.
func (c *Cluster) settings(ctx context.Context, topics []string) (map[string]map[string]string, error) {
	if len(topics) == 0 {
		return nil, nil
	}
	slices.Sort(topics)
	configs, err := c.admin.DescribeTopicConfigs(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("settings of the topics: %w", err)
	}
	settings := make(map[string]map[string]string, len(topics))
	for _, rc := range configs {
		of := map[string]string{}
		for _, kv := range rc.Configs {
			if kv.Value != nil {
				of[kv.Key] = *kv.Value
			}
		}
		settings[rc.Name] = of
	}
	return settings, nil
}
