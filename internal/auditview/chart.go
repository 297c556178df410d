package auditview

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// The chart's canvas and its plot, in pixels of its own.
const (
	chartWidth, chartHeight  = 960, 210
	plotLeft, plotRight      = 52, 924
	plotTop, plotBottom      = 12, 172
	maxChartLevels, timeMark = 5, 5
)

// A chart is a step chart of what a channel was offered and told at one location.
type chart struct {
	Location      string
	Width, Height int
	Left, Right   int
	Top, Bottom   int
	Offered, Told string // SVG paths, "" where there is nothing
	Levels, Times []mark
	Caption       string
	Exposure      string // how long the channel was told more than it might show; "" where nothing was told
	From, To      string
}

// LabelX is where the labels of levels end, LabelY where those of times stand, MiddleY the middle of the plot.
func (c chart) LabelX() int  { return c.Left - 7 }
func (c chart) LabelY() int  { return c.Bottom + 18 }
func (c chart) MiddleY() int { return (c.Top + c.Bottom) / 2 }

// A mark is a labelled place on an axis.
type mark struct {
	At    int
	Label string
}

type step struct {
	at    stock.Instant
	level stock.Quantity
	sold  stock.Quantity // net units that the channel had sold by the counters that level was computed from
}

// charts returns a chart for each location that has something to show. It reaches from the oldest fact of the page to until.
// offers are oldest first, rows newest first.
// lowers says that the channel lowers its own level when it sells.
func charts(offers []record.Offer, rows []ToldRow, lowers bool, until stock.Instant) []chart {
	var locations []string
	offered, told := map[string][]step{}, map[string][]step{}
	note := func(location string) {
		if !slices.Contains(locations, location) {
			locations = append(locations, location)
		}
	}
	for i := range offers {
		o := &offers[i]
		note(o.Location)
		offered[o.Location] = append(offered[o.Location], step{o.ChangedAt, o.Quantity, o.Sold - o.Released})
	}
	for _, row := range slices.Backward(rows) {
		note(row.Location)
		if row.State == record.Acknowledged && row.Kind != record.ReadLevel {
			told[row.Location] = append(told[row.Location], step{momentOf(&row.Told), row.Quantity, row.Sold - row.Released})
		}
	}
	slices.Sort(locations)
	var all []chart
	for _, location := range locations {
		if c, ok := newChart(offered[location], told[location], lowers, until); ok {
			c.Location = location
			all = append(all, c)
		}
	}
	return all
}

func newChart(offered, told []step, lowers bool, until stock.Instant) (chart, bool) {
	var from stock.Instant
	switch {
	case len(told) > 0:
		from = told[0].at
		// With the offer that the first telling answers, where it is near.
		for _, s := range offered {
			if s.at < from && from-s.at < (until-from)/4 {
				from = s.at
				break
			}
		}
	case len(offered) > 0:
		from = offered[0].at
	default:
		return chart{}, false
	}
	if until <= from {
		until = from.Add(time.Second)
	}
	offered, told = within(offered, from, until), within(told, from, until)
	low, high := stock.Quantity(0), stock.Quantity(1)
	for _, s := range slices.Concat(offered, told) {
		low, high = min(low, s.level), max(high, s.level)
	}
	unit := tidyUnit(high - low)
	low, high = -roundUp(-low, unit), roundUp(high, unit)
	x := func(at stock.Instant) int {
		return plotLeft + int(float64(at-from)/float64(until-from)*float64(plotRight-plotLeft))
	}
	y := func(q stock.Quantity) int {
		return plotBottom - int(float64(q-low)/float64(high-low)*float64(plotBottom-plotTop))
	}
	c := chart{
		Width: chartWidth, Height: chartHeight, Left: plotLeft, Right: plotRight, Top: plotTop, Bottom: plotBottom,
		Offered: path(offered, x, y), Told: path(told, x, y), From: short(from), To: short(until),
	}
	for q := low; q <= high; q += unit {
		c.Levels = append(c.Levels, mark{At: y(q), Label: quantity(q)})
	}
	layout := timeLayout(until.Sub(from))
	for i := range timeMark {
		at := from + (until-from)*stock.Instant(i)/(timeMark-1)
		c.Times = append(c.Times, mark{At: x(at), Label: at.Time().Format(layout)})
	}
	c.Caption, c.Exposure = caption(offered, told), exposure(offered, told, lowers)
	return c, true
}

// within returns the steps from from to until, the first being the level that was in force at from.
func within(steps []step, from, until stock.Instant) []step {
	var in []step
	for _, s := range steps {
		switch {
		case s.at > until:
			return in
		case s.at <= from:
			s.at = from
			in = append(in[:0], s)
		default:
			in = append(in, s)
		}
	}
	if len(in) > 0 {
		last := in[len(in)-1]
		last.at = until
		in = append(in, last)
	}
	return in
}

// path draws steps: a level holds until the next.
func path(steps []step, x func(stock.Instant) int, y func(stock.Quantity) int) string {
	var b strings.Builder
	for i, s := range steps {
		if i == 0 {
			b.WriteString("M" + strconv.Itoa(x(s.at)) + " " + strconv.Itoa(y(s.level)))
			continue
		}
		b.WriteString("H" + strconv.Itoa(x(s.at)) + "V" + strconv.Itoa(y(s.level)))
	}
	return b.String()
}

// tidyUnit returns a unit of 1, 2 or 5 times a power of ten that divides span > 0 into at most maxChartLevels parts.
func tidyUnit(span stock.Quantity) stock.Quantity {
	for unit := stock.Quantity(1); ; unit *= 10 {
		for _, m := range [...]stock.Quantity{1, 2, 5} {
			if span <= unit*m*maxChartLevels {
				return unit * m
			}
		}
	}
}

func roundUp(q, unit stock.Quantity) stock.Quantity { return (q + unit - 1) / unit * unit }

func timeLayout(span time.Duration) string {
	switch {
	case span < 10*time.Minute:
		return "15:04:05"
	case span < 24*time.Hour:
		return "15:04"
	}
	return "Jan 2 15:04"
}

// caption says in words what the chart shows, for whoever cannot see it.
func caption(offered, told []step) string {
	last := func(steps []step) string {
		if len(steps) == 0 {
			return "nothing"
		}
		return quantity(steps[len(steps)-1].level)
	}
	return "Step chart of the quantity offered and the quantity told over time; at its end offered " + last(offered) + ", told " + last(told) + "."
}
