package history

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	rows       *prometheus.CounterVec
	unreadable *prometheus.CounterVec
	lost       *prometheus.CounterVec
	batch      *prometheus.HistogramVec
	lag        *prometheus.GaugeVec
	waiting    prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "shelfwire_history_" + name, Help: help}, []string{"topic"})
	}
	m := &metrics{
		rows:       counter("rows_total", "Rows stored."),
		unreadable: counter("unreadable_records_total", "Records that could not be read and were kept as rejections."),
		lost:       counter("lost_records_total", "Offsets that a topic no longer held when the history came to them."),
		batch: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "shelfwire_history_batch_seconds", Help: "How long a batch took to be stored, waiting for the store included.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 9),
		}, []string{"topic"}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "shelfwire_history_lag_seconds", Help: "Age of the newest stored record when it was stored.",
		}, []string{"topic", "partition"}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "shelfwire_history_waiting", Help: "Partitions that wait for the store; 1 while the stage waits for it to begin.",
		}),
	}
	if reg == nil {
		return m, nil
	}
	var err error
	for _, c := range []prometheus.Collector{m.rows, m.unreadable, m.lost, m.batch, m.lag, m.waiting} {
		err = errors.Join(err, reg.Register(c))
	}
	return m, err
}
