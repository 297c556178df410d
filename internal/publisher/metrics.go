package publisher

import (
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shelfwire/shelfwire/internal/stock"
)

type metrics struct {
	outcomes *prometheus.CounterVec
	due      *prometheus.GaugeVec
	oldest   *prometheus.GaugeVec
	failing  *prometheus.GaugeVec
	known    *prometheus.GaugeVec
	latency  prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shelfwire_publisher_outcomes_total", Help: "What came of telling channels, a listing each: by channel, what was asked and the class of the answer.",
		}, []string{"channel", "kind", "class"}),
		due: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "shelfwire_publisher_pending_listings", Help: "Listings that are due, under way or of unknown outcome, by channel.",
		}, []string{"channel"}),
		oldest: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "shelfwire_publisher_oldest_unsent_decrease_seconds", Help: "Age of the oldest decrease that has not been sent, by channel.",
		}, []string{"channel"}),
		failing: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "shelfwire_publisher_failing_since_timestamp_seconds",
			Help: "Since when a channel has answered nothing but failures, by channel and whether its address or credentials are wrong; absent where it answers.",
		}, []string{"channel", "held"}),
		known: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "shelfwire_publisher_orders_known_until_timestamp_seconds",
			Help: "Until when every order of a channel is known, by channel; absent where nobody has ever said so. A channel that sells and whose orders are not heard stays behind.",
		}, []string{"channel"}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "shelfwire_publisher_occurred_to_acknowledged_seconds", Help: "From what happened to the channel's acknowledgement.",
			Buckets: prometheus.ExponentialBuckets(0.05, 2, 14),
		}),
	}
	if reg == nil {
		return m, nil
	}
	return m, errors.Join(reg.Register(m.outcomes), reg.Register(m.due), reg.Register(m.oldest), reg.Register(m.failing), reg.Register(m.known), reg.Register(m.latency))
}

func (m *metrics) outcome(c *channel, kind string, class Class) {
	m.outcomes.WithLabelValues(c.key, kind, string(class)).Inc()
}

func (m *metrics) channel(c *channel, pending int, oldest time.Duration) {
	m.due.WithLabelValues(c.key).Set(float64(pending))
	m.oldest.WithLabelValues(c.key).Set(oldest.Seconds())
	m.failing.DeletePartialMatch(prometheus.Labels{"channel": c.key})
	if c.failingSince != 0 {
		m.failing.WithLabelValues(c.key, strconv.FormatBool(c.held != "")).Set(seconds(c.failingSince))
	}
	if c.feed.Marked != 0 {
		m.known.WithLabelValues(c.key).Set(seconds(c.feed.Marked))
	}
}

func seconds(at stock.Instant) float64 { return float64(at.Time().UnixMilli()) / 1000 }

// forget drops the gauges of channels that this process does not own any more.
func (m *metrics) forget(channels map[string]*channel) {
	for key := range channels {
		m.due.DeleteLabelValues(key)
		m.oldest.DeleteLabelValues(key)
		m.known.DeleteLabelValues(key)
		m.failing.DeletePartialMatch(prometheus.Labels{"channel": key})
	}
}
