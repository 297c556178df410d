package allocator

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	entries    prometheus.Counter
	resent     prometheus.Counter
	outputs    *prometheus.CounterVec
	rows       prometheus.Counter
	rejections *prometheus.CounterVec
	moved      prometheus.Counter
	ticks      prometheus.Counter
	batch      *prometheus.HistogramVec
	latency    prometheus.Histogram
	position   *prometheus.GaugeVec
	lag        *prometheus.GaugeVec
	cached     *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		entries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "shelfwire_allocator_entries_total", Help: "Journal entries folded and committed.",
		}),
		resent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "shelfwire_allocator_resent_entries_total", Help: "Journal entries skipped because ingest had sent them before.",
		}),
		outputs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shelfwire_allocator_outputs_total", Help: "Records written to the output topics.",
		}, []string{"topic"}),
		rows: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "shelfwire_allocator_rows_total", Help: "State rows committed.",
		}),
		rejections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shelfwire_allocator_rejections_total", Help: "Entries that were not applied, and flags on those that were.",
		}, []string{"class"}),
		moved: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "shelfwire_allocator_commits_moved_total", Help: "Times the stored position was not the expected one: another owner, or a store that went back.",
		}),
		ticks: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "shelfwire_allocator_ticks_total", Help: "Ticks written to the journal because something was due or a sweep was pending.",
		}),
		batch: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "shelfwire_allocator_batch_seconds", Help: "Time per batch by step.",
			Buckets: prometheus.ExponentialBuckets(0.0002, 2.5, 12),
		}, []string{"step"}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "shelfwire_allocator_entry_to_commit_seconds", Help: "From a batch's first entry being journalled to its commit.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2.5, 14),
		}),
		position: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "shelfwire_allocator_position", Help: "Next journal offset to fold.",
		}, []string{"partition"}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "shelfwire_allocator_lag_entries", Help: "Journal entries not committed yet, looked up every few seconds.",
		}, []string{"partition"}),
		cached: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "shelfwire_allocator_cached_rows", Help: "SKUs, orders and items held in memory.",
		}, []string{"partition"}),
	}
	if reg != nil {
		reg.MustRegister(m.entries, m.resent, m.outputs, m.rows, m.rejections, m.moved, m.ticks, m.batch, m.latency, m.position, m.lag, m.cached)
	}
	return m
}

func label(partition int32) string { return strconv.Itoa(int(partition)) }

// forget removes what is no longer ours to report.
func (m *metrics) forget(partition int32) {
	m.position.DeleteLabelValues(label(partition))
	m.lag.DeleteLabelValues(label(partition))
	m.cached.DeleteLabelValues(label(partition))
}
