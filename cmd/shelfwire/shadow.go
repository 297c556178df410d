package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/shadow"
	"github.com/shelfwire/shelfwire/internal/stock"
)

func shadowCommand(sh *app.Shell) *cobra.Command {
	var policy, from, to, base string
	var asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use:   "shadow --policy FILE --from TIME [--to TIME]",
		Short: "Replay the journal under another policy, and compare the offers",
		Long: `Folds the journal again, twice: as it is, and with what FILE says taking force at --from. It prints how the offers of each
channel and listing differ from then to --to (to the end of the journal without it). It only reads, and nothing is sent to anybody.

It begins with the journal's first entry, or with a snapshot from before --from (--snapshot) that the journal still reaches back to.
With --data, where the first entry is gone, that is the installation's own.

FILE is a catalogue file as for apply (docs/catalogue.md). From --from on, what it says is in force, and what the journal says of the
same outlets, kits, channels, listings or settings is left out; everything else, and every order, despatch and movement, is as it was.
A shop that had been told less would have sold less: no replay can know that, so "ordered beyond the offer" counts the units that
were ordered although the offer had no room for them. Offers are counted as they are decided, entry by entry; a channel is sent fewer.

A difference is what is asked for: the status is 0 whether there is one or not.`,
		Example: `  shelfwire shadow --policy friday.yaml --from 2026-11-20T00:00:00Z --to 2026-11-24T00:00:00Z
  shelfwire shadow --policy friday.yaml --from 2026-11-20T00:00:00Z --snapshot /backup/2026-11-19.snapshot`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case policy == "":
				return app.Usagef("--policy FILE is missing: it says what is tried")
			case from == "":
				return app.Usagef("--from TIME is missing: it says when the policy takes force")
			case limit < 0:
				return app.Usagef("--limit %d: fewer than none cannot be shown", limit)
			}
			since, err := timeFlag("--from", from)
			if err != nil {
				return err
			}
			until := stock.Instant(math.MaxInt64)
			if to != "" {
				if until, err = timeFlag("--to", to); err != nil {
					return err
				}
			}
			if until <= since {
				return app.Usagef("--to must be after --from")
			}
			pools, err := readCatalogue(sh, policy)
			if err != nil {
				return err
			}
			return sh.With(cmd.Context(), app.Log, func(inst *app.Installation) error {
				progress := newProgress(sh.Stderr, "entries")
				reports, err := inst.Shadow(cmd.Context(), pools, app.ShadowOptions{From: since, To: until, Snapshot: base, Progress: progress.show})
				progress.clear()
				if err != nil {
					return err
				}
				for i := range reports {
					if asJSON {
						err = writeShadowJSON(sh.Stdout, &reports[i])
					} else {
						_, err = io.WriteString(sh.Stdout, explainShadow(&reports[i], limit))
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&policy, "policy", "", "what is tried, as a catalogue `FILE`")
	cmd.Flags().StringVar(&from, "from", "", "the `TIME` at which it takes force, like 2026-11-20T10:00:00Z")
	cmd.Flags().StringVar(&to, "to", "", "the `TIME` up to which offers are compared; the end of the journal without it")
	cmd.Flags().StringVar(&base, "snapshot", "", "begin with the snapshot in `FILE`, not with the journal's first entry")
	cmd.Flags().IntVar(&limit, "limit", 20, "how many listings are shown, the most different first")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, one pool a line, with every listing that differs")
	return cmd
}

// timeFlag reads the value of a flag that takes a moment.
func timeFlag(name, text string) (stock.Instant, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return 0, app.Usagef("%s takes a time like 2026-11-20T10:00:00Z, not %q", name, text)
	}
	return stock.InstantOf(t), nil
}

// explainShadow puts a report in words, with so many of its listings.
func explainShadow(r *shadow.Report, limit int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "pool %s, %s to %s (%s): %d entries\n\n", r.Pool, moment(r.From), moment(r.Until), spanWord(r.Until.Sub(r.From)), r.Entries)
	if len(r.Changes) == 0 {
		b.WriteString("the policy is what was in force at that moment\n")
	} else {
		writeChanges(&b, r.Pool, r.Changes)
	}
	fmt.Fprintf(&b, "\n%-32s %14s %14s\n", "", "as it was", "shadow")
	count := func(what string, p shadow.Pair) { fmt.Fprintf(&b, "%-32s %14d %14d\n", what, p.Real, p.Shadow) }
	count("offers", r.Offers)
	count("units ordered beyond the offer", r.Beyond)
	fmt.Fprintf(&b, "%-32s %14s %14s\n", "backordered, unit-hours", hours(r.Backordered.Real), hours(r.Backordered.Shadow))
	fmt.Fprintf(&b, "%-32s %14s %14s\n", "waiting in orders, unit-hours", hours(r.Waiting.Real), hours(r.Waiting.Shadow))
	count("outlets serving orders", r.Parcels)

	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\nchannel\toffers\tshadow\tlistings\tdiffering\tless, unit-hours\tmore, unit-hours\n")
	for _, c := range r.Channels {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%s\t%s\n", c.Channel, c.Offers.Real, c.Offers.Shadow, c.Listings, c.Differing, hours(c.Less), hours(c.More))
	}
	_ = t.Flush() // into memory
	if len(r.Listings) == 0 {
		b.WriteString("\nno offer differs\n")
		return b.String()
	}
	t = tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\nchannel\tSKU\tlocation\toffers\tshadow\tdiffered for\ton average by\tat most by\tin the end\tshadow\n")
	for _, l := range r.Listings[:min(limit, len(r.Listings))] {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%s\t%s\t%+d\t%d\t%d\n", l.Channel, l.SKU, l.Location, l.Offers.Real, l.Offers.Shadow,
			spanWord(l.Differed), average(&l), l.Most, l.Last.Real, l.Last.Shadow)
	}
	_ = t.Flush()
	if more := len(r.Listings) - limit; more > 0 {
		fmt.Fprintf(&b, "and %d more listings: --limit shows more, --json all\n", more)
	}
	return b.String()
}

// hours prints unit-seconds as unit-hours.
func hours(seconds int64) string {
	tenths := (seconds + 180) / 360
	return fmt.Sprintf("%d.%d", tenths/10, tenths%10)
}

// average prints by how many units the shadow offered more or less, over the time in which it differed.
func average(l *shadow.Listing) string {
	millis := l.Differed.Milliseconds()
	if millis == 0 {
		return ""
	}
	tenths := (l.More - l.Less) * 10 * 1000 / millis
	sign := "+"
	if tenths < 0 {
		sign, tenths = "-", -tenths
	}
	return fmt.Sprintf("%s%d.%d", sign, tenths/10, tenths%10)
}

// spanWord prints a span for people: to the second, and to the minute beyond an hour.
func spanWord(d time.Duration) string {
	switch {
	case d < time.Hour:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%02dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

// The JSON of a report. Spans are in seconds, and units × time in unit-seconds.
type (
	shadowJSON struct {
		Pool        string              `json:"pool"`
		From        string              `json:"from"`
		Until       string              `json:"until"`
		Entries     int64               `json:"entries"`
		Changes     []string            `json:"changes"`
		Offers      pairJSON            `json:"offers"`
		Beyond      pairJSON            `json:"ordered_beyond_offer"`
		Backordered pairJSON            `json:"backordered_unit_seconds"`
		Waiting     pairJSON            `json:"waiting_unit_seconds"`
		Outlets     pairJSON            `json:"outlets_serving_orders"`
		Channels    []shadowChannelJSON `json:"channels"`
		Listings    []shadowListingJSON `json:"listings"`
	}
	pairJSON struct {
		Real   int64 `json:"real"`
		Shadow int64 `json:"shadow"`
	}
	shadowChannelJSON struct {
		Channel   string   `json:"channel"`
		Offers    pairJSON `json:"offers"`
		Beyond    pairJSON `json:"ordered_beyond_offer"`
		Listings  int      `json:"listings"`
		Differing int      `json:"differing"`
		Less      int64    `json:"less_unit_seconds"`
		More      int64    `json:"more_unit_seconds"`
	}
	shadowListingJSON struct {
		Channel  string   `json:"channel"`
		SKU      string   `json:"sku"`
		Location string   `json:"location"`
		Offers   pairJSON `json:"offers"`
		Beyond   pairJSON `json:"ordered_beyond_offer"`
		Differed int64    `json:"differed_seconds"`
		Less     int64    `json:"less_unit_seconds"`
		More     int64    `json:"more_unit_seconds"`
		Most     int64    `json:"greatest_difference"`
		Last     pairJSON `json:"last"`
	}
)

func writeShadowJSON(w io.Writer, r *shadow.Report) error {
	out := shadowJSON{
		Pool: r.Pool, From: r.From.String(), Until: r.Until.String(), Entries: r.Entries,
		Offers: pairJSON(r.Offers), Beyond: pairJSON(r.Beyond), Backordered: pairJSON(r.Backordered),
		Waiting: pairJSON(r.Waiting), Outlets: pairJSON(r.Parcels),
		Changes: []string{}, Channels: []shadowChannelJSON{}, Listings: []shadowListingJSON{},
	}
	for i := range r.Changes {
		out.Changes = append(out.Changes, r.Changes[i].Object.String())
	}
	for _, c := range r.Channels {
		out.Channels = append(out.Channels, shadowChannelJSON{c.Channel, pairJSON(c.Offers), pairJSON(c.Beyond), c.Listings, c.Differing, c.Less, c.More})
	}
	for _, l := range r.Listings {
		out.Listings = append(out.Listings, shadowListingJSON{
			l.Channel, l.SKU, l.Location, pairJSON(l.Offers), pairJSON(l.Beyond), int64(l.Differed / time.Second), l.Less, l.More, int64(l.Most), pairJSON(l.Last),
		})
	}
	return json.NewEncoder(w).Encode(out)
}
