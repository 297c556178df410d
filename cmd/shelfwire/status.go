package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

func statusCommand(sh *app.Shell) *cobra.Command {
	over := 2 * time.Second
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Print how far every stage is, on one screen",
		Long: `Prints how many records each stage has not worked off and how old the oldest of them is, how fast it works, the oldest decrease
that its channel has not acknowledged, which channel's orders are not heard any more and since when, and what failed last.

Positions are those in Kafka (ingest), Redis (allocator, publisher) and the history (audit), counts and failures those of the history,
which is behind by what audit waits for; while ClickHouse does not answer the rest is printed, and the status is 1. Rates are measured over --over. A process that was stopped or killed counts as at work for its
session's time, ten seconds. An embedded installation that does not run is
brought up to date first, but for what channels are to be told.`,
		Example: `  shelfwire status
  shelfwire status --over 30s --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if over < 0 || over > time.Minute {
				return app.Usagef("--over %s is not between 0s and 1m", over)
			}
			return sh.With(cmd.Context(), app.Log|app.State, func(inst *app.Installation) error {
				st, err := inst.Status(cmd.Context(), over)
				if err != nil {
					return err
				}
				if asJSON {
					err = writeStatusJSON(sh.Stdout, &st)
				} else {
					_, err = io.WriteString(sh.Stdout, explainStatus(&st))
				}
				if st.Away != nil {
					err = errors.Join(err, fmt.Errorf("the history does not answer: %w", st.Away))
				}
				return err
			})
		},
	}
	cmd.Flags().DurationVar(&over, "over", over, "the time over which rates are measured; 0s: no rates")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// explainStatus puts a status on a screen.
func explainStatus(st *app.Status) string {
	var b strings.Builder
	b.WriteString(moment(stock.InstantOf(st.At)))
	switch {
	case st.Stopped:
		fmt.Fprintf(&b, ": the installation in %s does not run", st.Dir)
	case st.Dir != "":
		fmt.Fprintf(&b, ": the installation in %s runs", st.Dir)
	}
	b.WriteString("\n\n")
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "stage\tat work\tto do\toldest of it\trecords/s")
	for _, s := range st.Stages {
		at, rate := strconv.Itoa(s.Members), "-"
		if st.Over > 0 {
			rate = strconv.FormatFloat(s.PerSecond, 'f', 1, 64)
		}
		if st.Stopped {
			at, rate = "-", "-"
		}
		oldest, waiting := "-", strconv.FormatInt(s.Waiting, 10)
		if s.Oldest != 0 {
			oldest = age(st, s.Oldest)
		}
		if s.Unknown {
			waiting, rate = "?", "?"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", s.Stage, at, waiting, oldest, rate)
	}
	_ = t.Flush() // into memory
	if st.Away != nil {
		b.WriteString("\nthe history does not answer: how far audit is, counts, decreases and failures are not known\n")
		return b.String()
	}
	if st.Past == nil {
		b.WriteString("\nno history is set (clickhouse.addresses): counts, decreases and failures are not known\n")
		return b.String()
	}
	statusPast(&b, st)
	return b.String()
}

// statusPast prints what the history says.
func statusPast(b *strings.Builder, st *app.Status) {
	b.WriteString("\noldest decrease that no channel has acknowledged: ")
	if d := st.Past.Decrease; d != nil {
		fmt.Fprintf(b, "%s/%s %s: shows %d, offered %d, for at least %s", d.Pool, d.Channel, listingWord(d.SKU, d.Location), d.Shown, d.Offered, spanWord(max(0, d.Age(st.At))))
		if d.State != 0 {
			fmt.Fprintf(b, " (%s)", communicationWord(d.State))
		}
	} else {
		b.WriteString("none")
	}
	if st.Past.Partly {
		fmt.Fprintf(b, " (of the first %d SKUs: there are more)", st.Past.Looked)
	}
	b.WriteString("\n")
	if len(st.Past.Silent) > 0 {
		b.WriteString("\nchannels of whose orders nothing is heard, so that what they sell since is not known:\n")
		for _, s := range st.Past.Silent {
			fmt.Fprintf(b, "  %s/%s since %s, %s\n", s.Pool, s.Channel, moment(s.Since), ago(st, s.Since))
		}
	}
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\npool\tSKUs\tlistings\tfailing\tbackordered\tlast entry\tlast communication")
	for i := range st.Past.Pools {
		p := &st.Past.Pools[i]
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%s\t%s\n", p.Pool, p.SKUs, p.Listings, p.Failing, p.Backordered, ago(st, p.LastEntry), ago(st, p.LastCommunication))
	}
	_ = t.Flush() // into memory
	if len(st.Past.Failures) > 0 {
		b.WriteString("\nlistings that are not as they should be and despatches that were not taken, the newest:\n")
		t = tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
		for i := range st.Past.Failures {
			f := &st.Past.Failures[i]
			fmt.Fprintf(t, "  %s\t%s/%s %s\t%s\t%s\n", ago(st, f.RecordedAt), f.Pool, f.Channel, subjectWord(&f.Communication), communicationWord(f.State),
				strings.TrimSpace(f.ReplyClass+" "+cmp.Or(f.Reply, f.Reason)))
		}
		_ = t.Flush() // into memory
	}
	if len(st.Past.Rejections) > 0 {
		b.WriteString("\ninputs that were not applied or were flagged, the newest (shelfwire rejections list shows all):\n")
		t = tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
		for i := range st.Past.Rejections {
			r := &st.Past.Rejections[i]
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", ago(st, r.RejectedAt), r.Pool, r.Class, r.Reason)
		}
		_ = t.Flush() // into memory
	}
}

// subjectWord names what a communication is about: a listing, or a despatch.
func subjectWord(c *record.Communication) string {
	if c.OrderID != "" {
		return "order " + c.OrderID + ", despatch " + c.FulfilmentID
	}
	return listingWord(c.SKU, c.Location)
}

func listingWord(sku, location string) string {
	if location == "" {
		return sku
	}
	return sku + " at " + location
}

// age prints how old something is, ago that it is so old.
func age(st *app.Status, at stock.Instant) string {
	return spanWord(max(0, stock.InstantOf(st.At).Sub(at)))
}

func ago(st *app.Status, at stock.Instant) string {
	if at == 0 {
		return "-"
	}
	return age(st, at) + " ago"
}

// The JSON of a status. Spans are in seconds; what is not known is left out.
type (
	statusJSON struct {
		At         string            `json:"at"`
		Stopped    bool              `json:"stopped"`
		Stages     []stageJSON       `json:"stages"`
		Decrease   *decreaseJSON     `json:"oldest_unacknowledged_decrease"`
		Partly     bool              `json:"decreases_looked_at_in_part,omitempty"`
		Silent     []silentJSON      `json:"silent_channels"`
		Pools      []poolStatusJSON  `json:"pools"`
		Failures   []failureJSON     `json:"failures"`
		Rejections []statusInputJSON `json:"rejections"`
	}
	stageJSON struct {
		Stage     string   `json:"stage"`
		AtWork    int      `json:"at_work"`
		Waiting   *int64   `json:"waiting,omitempty"` // none: nobody can say
		Oldest    *int64   `json:"oldest_seconds,omitempty"`
		PerSecond *float64 `json:"records_per_second,omitempty"`
	}
	decreaseJSON struct {
		Pool     string `json:"pool"`
		Channel  string `json:"channel"`
		SKU      string `json:"sku"`
		Location string `json:"location"`
		Shown    int64  `json:"shown"`
		Offered  int64  `json:"offered"`
		Age      int64  `json:"age_seconds"`
	}
	silentJSON struct {
		Pool    string `json:"pool"`
		Channel string `json:"channel"`
		Since   string `json:"since"`
	}
	poolStatusJSON struct {
		Pool        string `json:"pool"`
		SKUs        int64  `json:"skus"`
		Listings    int64  `json:"listings"`
		Failing     int64  `json:"failing"`
		Backordered int64  `json:"backordered"`
	}
	failureJSON struct {
		Pool       string `json:"pool"`
		Channel    string `json:"channel"`
		SKU        string `json:"sku"`
		Location   string `json:"location"`
		State      string `json:"state"`
		ReplyClass string `json:"reply_class"`
		Reply      string `json:"reply"`
		Order      string `json:"order_id,omitempty"`
		Despatch   string `json:"fulfilment_id,omitempty"`
		At         string `json:"at"`
	}
	statusInputJSON struct {
		Pool   string `json:"pool"`
		Class  string `json:"class"`
		Reason string `json:"reason"`
		At     string `json:"at"`
	}
)

func writeStatusJSON(w io.Writer, st *app.Status) error {
	now := stock.InstantOf(st.At)
	seconds := func(at stock.Instant) int64 { return int64(max(0, now.Sub(at)) / time.Second) }
	out := statusJSON{
		At: now.String(), Stopped: st.Stopped, Stages: []stageJSON{}, Silent: []silentJSON{}, Pools: []poolStatusJSON{}, Failures: []failureJSON{}, Rejections: []statusInputJSON{},
	}
	for _, s := range st.Stages {
		j := stageJSON{Stage: string(s.Stage), AtWork: s.Members}
		if !s.Unknown {
			j.Waiting = &s.Waiting
		}
		if s.Oldest != 0 {
			old := seconds(s.Oldest)
			j.Oldest = &old
		}
		if st.Over > 0 && !st.Stopped && !s.Unknown {
			rate := math.Round(s.PerSecond*10) / 10
			j.PerSecond = &rate
		}
		out.Stages = append(out.Stages, j)
	}
	if past := st.Past; past != nil {
		out.Partly = past.Partly
		if d := past.Decrease; d != nil {
			out.Decrease = &decreaseJSON{d.Pool, d.Channel, d.SKU, d.Location, int64(d.Shown), int64(d.Offered), seconds(d.Since)}
		}
		for _, s := range past.Silent {
			out.Silent = append(out.Silent, silentJSON{s.Pool, s.Channel, s.Since.String()})
		}
		for i := range past.Pools {
			p := &past.Pools[i]
			out.Pools = append(out.Pools, poolStatusJSON{p.Pool, p.SKUs, p.Listings, p.Failing, int64(p.Backordered)})
		}
		for i := range past.Failures {
			f := &past.Failures[i]
			out.Failures = append(out.Failures, failureJSON{f.Pool, f.Channel, f.SKU, f.Location, communicationWord(f.State), f.ReplyClass, f.Reply, f.OrderID, f.FulfilmentID, f.RecordedAt.String()})
		}
		for i := range past.Rejections {
			r := &past.Rejections[i]
			out.Rejections = append(out.Rejections, statusInputJSON{r.Pool, r.Class, r.Reason, r.RejectedAt.String()})
		}
	}
	return json.NewEncoder(w).Encode(out)
}
