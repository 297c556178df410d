package ingest

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shelfwire/shelfwire/internal/stream"
)

type metrics struct {
	copied   *prometheus.CounterVec
	requests *prometheus.CounterVec
	rows     *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		copied: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shelfwire_ingest_records_total", Help: "Input records by topic and result (journalled, rejected).",
		}, []string{"topic", "result"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shelfwire_ingest_http_requests_total", Help: "HTTP requests for events by status code.",
		}, []string{"code"}),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shelfwire_ingest_http_rows_total", Help: "Events in HTTP requests by result (accepted, rejected).",
		}, []string{"result"}),
	}
	if reg == nil {
		return m, nil
	}
	return m, errors.Join(reg.Register(m.copied), reg.Register(m.requests), reg.Register(m.rows))
}

func (m *metrics) records(t stream.Topic, journalled, rejected int) {
	m.copied.WithLabelValues(string(t), "journalled").Add(float64(journalled))
	m.copied.WithLabelValues(string(t), "rejected").Add(float64(rejected))
}
