package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/auditview"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/explain"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stream"
)

func explainCommand(sh *app.Shell) *cobra.Command {
	o := app.ExplainOptions{Limit: 5}
	var at string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain CHANNEL SKU [--at TIME]",
		Short: "Lead one told number back to the journal entries it came from",
		Long: `Prints the number that a channel acknowledged last, or last until --at, the offer that it told with its arithmetic, and for each count
in it the journal entries that made it, newest first: which movement, order, despatch or count, where it is in the journal, and
where it came from. CHANNEL is pool/channel, or just the channel where only one pool has it.

The journal is folded up to the offer, from its first entry, or from a snapshot from before the offer (--snapshot) that it still reaches
back to. With --data, where the first entry is gone, that is the installation's own. Of a kit the counts are those of its components.`,
		Example: `  shelfwire explain acme/web SHIRT
  shelfwire explain web SHIRT --at 2026-11-20T10:00:00Z --limit 20`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.Limit < 1 || o.Limit > 10_000 {
				return app.Usagef("--limit %d is not between 1 and 10000", o.Limit)
			}
			if at != "" {
				var err error
				if o.At, err = timeFlag("--at", at); err != nil {
					return err
				}
			}
			return sh.With(cmd.Context(), app.Log|app.State|app.Past, func(inst *app.Installation) error {
				past, err := inst.History(cmd.Context())
				if err != nil {
					return err
				}
				if o.Pool, o.Channel, err = findChannel(cmd.Context(), past, args[0]); err != nil {
					return err
				}
				o.SKU = args[1]
				progress := newProgress(sh.Stderr, "entries")
				o.Progress = progress.show
				x, err := inst.Explain(cmd.Context(), o)
				progress.clear()
				if err != nil {
					return err
				}
				if asJSON {
					return writeExplanationJSON(sh.Stdout, &x)
				}
				_, err = io.WriteString(sh.Stdout, explainTold(&x))
				return err
			})
		},
	}
	cmd.Flags().StringVar(&at, "at", "", "the number that was told last until `TIME`, like 2026-11-20T10:00:00Z")
	cmd.Flags().IntVar(&o.Limit, "limit", o.Limit, "print at most `N` entries of each number")
	cmd.Flags().StringVar(&o.Snapshot, "snapshot", "", "fold from the snapshot in `FILE`, not from the journal's first entry")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// explainTold puts an explanation in words.
func explainTold(x *app.Explanation) string {
	var b strings.Builder
	c := &x.Told.Communication
	told := "was told"
	if c.State != record.Acknowledged {
		told = "has acknowledged nothing and was to be told"
	}
	fmt.Fprintf(&b, "%s %s %d of %s: %s at %s", stream.JoinKey(c.Pool, c.Channel), told, c.Quantity, listingWord(c.SKU, c.Location),
		communicationWord(c.State), moment(x.Told.RecordedAt))
	if c.Reason != "" {
		fmt.Fprintf(&b, " (%s)", c.Reason)
	}
	b.WriteString("\n")
	if c.IdempotencyKey != "" {
		fmt.Fprintf(&b, "under key %s the channel said: %s\n", c.IdempotencyKey, strings.TrimSpace(c.ReplyClass+" "+c.Reply))
	}
	if o := x.Told.Offer; o != nil {
		fmt.Fprintf(&b, "\noffer of journal entry %d:%d, since %s: %d, %s\n  %s\n", x.Partition, o.Version.Offset(), moment(o.ChangedAt), o.Quantity, o.Reason, auditview.Arithmetic(o))
		if c.Quantity != o.Quantity {
			fmt.Fprintf(&b, "  asked for %d, not %d, for the channel's own sales: sold %d, released %d\n", c.Quantity, o.Quantity, c.Sold, c.Released)
		}
	} else {
		fmt.Fprintf(&b, "\nthe offer of journal entry %d:%d is not in the history (any more)\n", x.Partition, c.OfferVersion.Offset())
	}
	for i := range x.Numbers {
		n := &x.Numbers[i]
		fmt.Fprintf(&b, "\n%s\n", numberWord(n))
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for j := range n.Entries {
			e := &n.Entries[j]
			fmt.Fprintf(t, "  %s\t%s\t%s\tjournal %d:%d\t%s\n", moment(e.EntryTime), changeWord(n, e), e.Cause, x.Partition, e.Version.Offset(), originWord(&e.Origin))
		}
		_ = t.Flush() // into memory
		switch {
		case n.Earlier > 0:
			fmt.Fprintf(&b, "  and %d earlier: --limit shows more\n", n.Earlier)
		case x.Base != (stream.Position{}) && n.What != explain.Rules:
			fmt.Fprintf(&b, "  before journal %d:%d, where the snapshot ends: %d\n", x.Partition, x.Base.Offset, n.Base)
		}
		if said, ok := saidOf(x.Told.Offer, n); ok && said != int64(n.Value) {
			fmt.Fprintf(&b, "  but the offer says %d\n", said)
		}
	}
	return b.String()
}

// saidOf returns what the offer says of a number. It says nothing of a kit's components.
func saidOf(o *record.Offer, n *explain.Number) (int64, bool) {
	if o == nil || o.SKU != n.SKU {
		return 0, false
	}
	for i := range o.Inputs.Outlets {
		at := &o.Inputs.Outlets[i]
		switch {
		case at.Outlet != n.Outlet:
		case n.What == explain.OnHand:
			return int64(at.OnHand), true
		case n.What == explain.Reserved:
			return int64(at.Reserved), true
		}
	}
	return 0, false
}

func numberWord(n *explain.Number) string {
	switch n.What {
	case explain.OnHand:
		return fmt.Sprintf("%s at %s: %d on hand", n.SKU, n.Outlet, n.Value)
	case explain.Reserved:
		return fmt.Sprintf("%s at %s: %d reserved", n.SKU, n.Outlet, n.Value)
	case explain.Waiting:
		return fmt.Sprintf("%s: %d waiting in orders", n.SKU, n.Value)
	}
	return "rules"
}

func changeWord(n *explain.Number, e *explain.Entry) string {
	if n.What == explain.Rules {
		return ""
	}
	return fmt.Sprintf("%+d → %d", e.To-e.From, e.To)
}

func originWord(o *record.Origin) string {
	if o.TopicID == "" {
		return ""
	}
	return fmt.Sprintf("%s %d:%d", o.Topic, o.Partition, o.Offset)
}

// The JSON of a number.
type (
	numberJSON struct {
		Number  string      `json:"number"`
		SKU     string      `json:"sku"`
		Outlet  string      `json:"outlet"`
		Value   int64       `json:"value"`
		Base    int64       `json:"base"`
		Entries []entryJSON `json:"entries"`
		Earlier int         `json:"earlier"`
	}
	entryJSON struct {
		Offset  int64  `json:"journal_offset"`
		Version uint64 `json:"version"`
		At      string `json:"entry_time"`
		Topic   string `json:"origin_topic"`
		Part    int32  `json:"origin_partition"`
		From    int64  `json:"from"`
		To      int64  `json:"to"`
		Origin  int64  `json:"origin_offset"`
		Cause   string `json:"cause"`
	}
)

func writeExplanationJSON(w io.Writer, x *app.Explanation) error {
	numbers := []numberJSON{}
	for i := range x.Numbers {
		n := &x.Numbers[i]
		j := numberJSON{
			Number: [...]string{explain.OnHand: "on_hand", explain.Reserved: "reserved", explain.Waiting: "waiting", explain.Rules: "rules"}[n.What],
			SKU:    n.SKU, Outlet: n.Outlet, Value: int64(n.Value), Base: int64(n.Base), Entries: []entryJSON{}, Earlier: n.Earlier,
		}
		for _, e := range n.Entries {
			j.Entries = append(j.Entries, entryJSON{
				Offset: e.Version.Offset(), Version: uint64(e.Version), At: e.EntryTime.String(), Topic: e.Origin.Topic, Part: e.Origin.Partition,
				Origin: e.Origin.Offset, From: int64(e.From), To: int64(e.To), Cause: e.Cause,
			})
		}
		numbers = append(numbers, j)
	}
	line := codec.AppendCommunicationJSON([]byte(`{"communication":`), &x.Told.Communication)
	line = append(line, `,"offer":`...)
	if o := x.Told.Offer; o != nil {
		line = codec.AppendOfferRecordJSON(line, &record.OfferRecord{Offer: o})
	} else {
		line = append(line, "null"...)
	}
	text, err := json.Marshal(numbers)
	if err != nil {
		return err
	}
	line = append(append(append(line, `,"numbers":`...), text...), "}\n"...)
	_, err = w.Write(line)
	return err
}
