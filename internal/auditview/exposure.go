package auditview

import (
	"time"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// exposure says how long in a chart the channel was told more than it might show, and by how many units at most: what it was told, less
// its own sales since where it lowers its own level, against the offer in force. Both are the steps of a chart, up to its end. Which
// stage was late is for the analysts' view of the same name.
func exposure(offered, told []step, lowers bool) string {
	if len(offered) == 0 || len(told) == 0 {
		return ""
	}
	var long time.Duration
	var most stock.Quantity
	for i, j := 0, 0; i+1 < len(offered) && j+1 < len(told); {
		o, t := offered[i], told[j]
		since, until := max(o.at, t.at), min(offered[i+1].at, told[j+1].at)
		shown := t.level
		if lowers {
			shown -= o.sold - t.sold
		}
		if until > since && shown > o.level {
			long += until.Sub(since)
			most = max(most, shown-o.level)
		}
		if offered[i+1].at <= until {
			i++
		}
		if told[j+1].at <= until {
			j++
		}
	}
	if long == 0 {
		return "never told more than it might show"
	}
	return "told more than it might show for " + precise(long) + " of this time, by up to " + quantity(most)
}
