package ingest

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// maxBodyBytes and maxRows bound one request; maxKeyBytes its Idempotency-Key.
const (
	maxBodyBytes = 10 << 20
	maxRows      = 20_000
	maxKeyBytes  = 150
)

// All requests together hold at most maxBodiesBytes of bodies (about three times that with what is made of them), each for at
// most bodyTimeout until it has arrived; those above it wait their turn.
const (
	maxBodiesBytes = 64 << 20
	bodyTimeout    = time.Minute
)

// Handler serves POST /v1/events: one event, a JSON array, or NDJSON; or one event as binary protobuf.
//
// It answers 200 with how many rows were accepted and which were not, only after Kafka has acknowledged all of them. Rows that
// are not accepted do not hold up the others. A movement needs an event_id, or a source with a sequence; or the request an
// Idempotency-Key, from which the event_ids of its rows are derived. Marks are refused: they must keep their place among the
// orders of one producer.
//
// It also serves POST /v1/webhooks/{channel}: what a channel of Config.Senders posts by itself, in its own words and with its own
// signature. The answers are the same.
func (s *Stage) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/events", s.events)
	mux.HandleFunc("POST /v1/webhooks/{channel}", s.webhook)
	onlyPost := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", http.MethodPost)
		s.refuse(w, http.StatusMethodNotAllowed, "events are sent with POST")
	}
	mux.HandleFunc("/v1/events", onlyPost)
	mux.HandleFunc("/v1/webhooks/{channel}", onlyPost)
	return mux
}

type answer struct {
	Accepted int           `json:"accepted"`
	Rejected []rejectedRow `json:"rejected"`
}

type rejectedRow struct {
	Index  int    `json:"index"`
	Field  string `json:"field"`
	Reason string `json:"reason"`
}

func (s *Stage) events(w http.ResponseWriter, r *http.Request) {
	if !s.authorised(r) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		s.refuse(w, http.StatusUnauthorized, "the bearer token is missing or wrong")
		return
	}
	contentType, ok := accepted(r.Header.Get("Content-Type"))
	if !ok {
		s.refuse(w, http.StatusUnsupportedMediaType, "the content type must be application/json, application/x-ndjson or "+stream.ContentTypeProtobuf)
		return
	}
	if !s.plain(w, r) {
		return
	}
	key := r.Header.Get("Idempotency-Key")
	if !usable(key) {
		s.refuse(w, http.StatusBadRequest, "the Idempotency-Key must be at most "+strconv.Itoa(maxKeyBytes)+" bytes of printable ASCII")
		return
	}
	release, ok := s.admit(r)
	if !ok {
		s.later(w, "too many requests are waiting for Kafka")
		return
	}
	defer release()
	body, ok := s.body(w, r)
	if !ok {
		return
	}
	s.take(w, r, &request{key: key, contentType: contentType, now: stock.InstantOf(s.deps.Now())}, body)
}

// plain answers where the body is encoded.
func (s *Stage) plain(w http.ResponseWriter, r *http.Request) bool {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		s.refuse(w, http.StatusUnsupportedMediaType, "a body with a Content-Encoding is not understood")
		return false
	}
	return true
}

// take writes the rows of the body to their topics, and answers when Kafka has acknowledged them.
func (s *Stage) take(w http.ResponseWriter, r *http.Request, req *request, body []byte) {
	req.read(body)
	if req.rows > maxRows {
		s.refuse(w, http.StatusRequestEntityTooLarge, "the body holds more than "+strconv.Itoa(maxRows)+" events: send several requests")
		return
	}
	if req.rows == 0 {
		s.refuse(w, http.StatusBadRequest, "the body holds no event")
		return
	}
	// A write that has begun is not given up with its client: what is nearly there would come twice.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), s.cfg.AckTimeout)
	defer cancel()
	if err := s.deps.Outputs.Produce(ctx, req.messages); err != nil {
		if large, ok := errors.AsType[tooLarge](err); ok {
			s.refuse(w, http.StatusRequestEntityTooLarge, "events "+fmt.Sprint(large.TooLarge())+" are too large")
			return
		}
		s.deps.Logger.WarnContext(r.Context(), "events not acknowledged", "rows", req.rows, "err", err)
		s.later(w, "Kafka did not acknowledge: send the same request again, with the same ids")
		return
	}
	s.metrics.rows.WithLabelValues("accepted").Add(float64(req.answer.Accepted))
	s.metrics.rows.WithLabelValues("rejected").Add(float64(len(req.answer.Rejected)))
	s.reply(w, http.StatusOK, req.answer)
}

// admit waits until there is room for the request's body.
func (s *Stage) admit(r *http.Request) (release func(), ok bool) {
	ctx, cancel := context.WithTimeout(r.Context(), s.cfg.AckTimeout)
	defer cancel()
	weight := int64(maxBodyBytes)
	if r.ContentLength >= 0 {
		weight = min(weight, r.ContentLength)
	}
	if err := s.bodies.Acquire(ctx, weight); err != nil {
		return nil, false
	}
	return func() { s.bodies.Release(weight) }, true
}

// body reads the request's body, or answers why it cannot.
func (s *Stage) body(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	// A client that sends slowly keeps its share of the memory for so long only. Not every ResponseWriter has deadlines.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if err == nil {
		return body, true
	}
	if _, tooBig := errors.AsType[*http.MaxBytesError](err); tooBig {
		s.refuse(w, http.StatusRequestEntityTooLarge, "the body is longer than "+strconv.Itoa(maxBodyBytes)+" bytes: send several requests")
	} else {
		s.refuse(w, http.StatusBadRequest, "the body could not be read")
	}
	return nil, false
}

// later answers that the same request is to be sent again.
func (s *Stage) later(w http.ResponseWriter, reason string) {
	w.Header().Set("Retry-After", "5")
	s.refuse(w, http.StatusServiceUnavailable, reason)
}

// usable reports whether ids may be made of the key.
func usable(key string) bool {
	return len(key) <= maxKeyBytes && !strings.ContainsFunc(key, func(r rune) bool { return r < 0x20 || r > 0x7e })
}

func (s *Stage) authorised(r *http.Request) bool {
	if s.cfg.Token == "" {
		return true
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && subtle.ConstantTimeCompare([]byte(given), []byte(s.cfg.Token)) == 1
}

// accepted returns the content type as package codec knows it. JSON is what most clients forget to name.
func accepted(header string) (string, bool) {
	if header == "" {
		return "", true
	}
	media, _, err := mime.ParseMediaType(header)
	if err != nil {
		return "", false
	}
	switch media {
	case stream.ContentTypeProtobuf:
		return stream.ContentTypeProtobuf, true
	case "application/json", "application/x-ndjson", "application/ndjson", "application/jsonl", "text/plain",
		"application/x-www-form-urlencoded": // what curl says of --data
		return "", true
	}
	return "", false
}

// A request is one batch on its way to the topics.
type request struct {
	key, contentType string
	now              stock.Instant
	sender           *Sender // the channel that posted it; nil: a system of the retailer's, which may speak of everything
	rows             int
	messages         []stream.Message
	answer           answer
}

func (q *request) read(body []byte) {
	q.answer.Rejected = []rejectedRow{}
	if q.contentType == stream.ContentTypeProtobuf {
		q.row(0, body, nil)
		return
	}
	for row := range codec.Batch(body) {
		if q.rows > maxRows {
			return
		}
		q.row(row.Index, row.Value, row.Err)
	}
}

// row judges one row and adds the message that carries it on.
func (q *request) row(index int, value []byte, broken *codec.FieldError) {
	q.rows++
	var event record.Event
	var reject *record.Rejection
	if broken != nil {
		reject = &record.Rejection{Class: "malformed", Field: broken.Field, Reason: broken.Reason}
	} else {
		// A mark is refused by name below, not for the topic it would have gone to.
		reject = judge(codec.ParseEvent, stream.Orders, q.contentType, value, q.now, &event)
	}
	if reject == nil {
		reject = q.sender.foreign(&event)
	}
	if reject == nil {
		reject = q.identify(&event, index)
	}
	if reject != nil {
		reject.Topic, reject.Index, reject.RejectedAt = "http", int32(index), q.now
		q.answer.Rejected = append(q.answer.Rejected, rejectedRow{index, reject.Field, reject.Reason})
		key := "http/" + strconv.FormatInt(int64(q.now), 36) + "/" + strconv.Itoa(index)
		q.messages = append(q.messages, rejectionMessage(key, reject, value))
		return
	}
	q.answer.Accepted++
	q.messages = append(q.messages, stream.Message{
		Topic: topicOf(&event), Partition: stream.Any, Key: []byte(event.PoolID()), Value: codec.AppendEvent(nil, &event),
		ContentType: stream.ContentTypeProtobuf,
	})
}

// identify makes sure that a request that is sent again changes nothing.
func (q *request) identify(e *record.Event, index int) *record.Rejection {
	switch m := e.Movement; {
	case e.Mark != nil:
		return &record.Rejection{Class: "refused", Field: "mark", Reason: "is not accepted over HTTP", Pool: e.PoolID()}
	case m == nil || m.EventID != "" || m.Source != "" && (m.Epoch != 0 || m.Sequence != 0):
		return nil
	case q.key == "":
		return &record.Rejection{
			Class: "refused", Field: "movement.event_id", Pool: e.PoolID(),
			Reason: "is needed over HTTP (or source with sequence, or an Idempotency-Key): a request may have to be sent twice",
		}
	default:
		m.EventID = q.key + "/" + strconv.Itoa(index)
		return nil
	}
}

// topicOf returns the input topic of an event that came over HTTP.
func topicOf(e *record.Event) stream.Topic {
	switch e.Kind() {
	case record.KindMovement:
		return stream.Movements
	case record.KindOrder, record.KindFulfilment, record.KindMark, record.KindDecline, record.KindReassign:
		return stream.Orders
	default:
		return stream.Catalogue
	}
}

func (s *Stage) refuse(w http.ResponseWriter, code int, reason string) {
	s.reply(w, code, map[string]string{"error": reason})
}

func (s *Stage) reply(w http.ResponseWriter, code int, body any) {
	s.metrics.requests.WithLabelValues(strconv.Itoa(code)).Inc()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		s.deps.Logger.Debug("the client did not wait for its answer", "err", err)
	}
}
