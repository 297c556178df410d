package amazon

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shelfwire/shelfwire/internal/channelsim"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// What the account takes of feeds: bytes and messages of one, and how many in a span of time; uploadFor is how long an upload's
// address lasts.
const (
	maxFeedBytes    = 10 << 20
	maxFeedMessages = 25_000
	maxFeeds        = 5
	feedSpan        = 5 * time.Minute
	uploadFor       = 5 * time.Minute
)

// A document is a feed's content or its report.
type document struct {
	contentType string
	until       time.Time // of its address
	content     []byte    // nil: nothing was put there
	report      bool      // it is one, compressed
}

// A feed waits, is processed, and has ended.
type feed struct {
	id, document, report string
	created              time.Time
	status               string
}

// createDocument gives out where a feed's content is to be put.
func (s *Shop) createDocument(r *http.Request, body []byte, now time.Time) answer {
	var in struct {
		ContentType string `json:"contentType"`
	}
	if !strict(body, &in) || in.ContentType == "" {
		return failure(http.StatusBadRequest, "InvalidInput", "The provided request body is invalid.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.addDocument(&document{contentType: in.ContentType, until: now.Add(uploadFor)})
	return answer{http.StatusCreated, map[string]any{"feedDocumentId": id, "url": address(r, id)}}
}

func (s *Shop) addDocument(d *document) string {
	s.serial++
	id := "amzn1.tortuga." + strconv.Itoa(s.serial)
	s.documents[id] = d
	return id
}

// address returns where a document is, as the caller reaches this account.
func address(r *http.Request, id string) string {
	before, _, _ := strings.Cut(r.RequestURI, "/feeds/")
	return "http://" + r.Host + before + "/documents/" + id + "?signature=" + signatureOf(id)
}

// signatureOf is what an address is worth nothing without.
func signatureOf(id string) string { return "signed-" + id[strings.LastIndexByte(id, '.')+1:] }

// stored returns the document that an address leads to. It is another host's: credentials of the account have no business there.
func (s *Shop) stored(r *http.Request) (d *document, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.documents[r.PathValue("id")]
	switch {
	case !ok || r.URL.Query().Get("signature") != signatureOf(r.PathValue("id")):
		return nil, http.StatusForbidden
	case r.Header.Get("X-Amz-Access-Token") != "" || r.Header.Get("Authorization") != "":
		return nil, http.StatusBadRequest
	}
	return d, http.StatusOK
}

func (s *Shop) upload(w http.ResponseWriter, r *http.Request) {
	content, err := io.ReadAll(io.LimitReader(r.Body, maxFeedBytes+1))
	d, status := s.stored(r)
	switch {
	case status != http.StatusOK:
	case err != nil || len(content) > maxFeedBytes:
		status = http.StatusRequestEntityTooLarge
	case d.report || !time.Now().Before(d.until) || r.Header.Get("Content-Type") != d.contentType:
		status = http.StatusForbidden
	default:
		s.mu.Lock()
		d.content = content
		s.mu.Unlock()
	}
	w.WriteHeader(status)
}

func (s *Shop) download(w http.ResponseWriter, r *http.Request) {
	d, status := s.stored(r)
	if status == http.StatusOK && !d.report {
		status = http.StatusForbidden
	}
	w.WriteHeader(status)
	if status != http.StatusOK {
		return
	}
	if _, err := w.Write(d.content); err != nil {
		panic(http.ErrAbortHandler) // the client has gone
	}
}

func (s *Shop) getDocument(r *http.Request, _ []byte, _ time.Time) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.PathValue("id")
	d, ok := s.documents[id]
	if !ok {
		return failure(http.StatusNotFound, "NotFound", "There is no such document.")
	}
	out := map[string]any{"feedDocumentId": id, "url": address(r, id)}
	if d.report {
		out["compressionAlgorithm"] = "GZIP"
	}
	return answer{http.StatusOK, out}
}

func (s *Shop) createFeed(_ *http.Request, body []byte, now time.Time) answer {
	var in struct {
		Type     string   `json:"feedType"`
		Markets  []string `json:"marketplaceIds"`
		Document string   `json:"inputFeedDocumentId"`
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !strict(body, &in) || in.Type != "JSON_LISTINGS_FEED" || !slices.Equal(in.Markets, []string{s.credentials.Marketplace}) {
		return failure(http.StatusBadRequest, "InvalidInput", "The provided request body is invalid.")
	}
	if d := s.documents[in.Document]; d == nil || d.report || d.content == nil {
		return failure(http.StatusBadRequest, "InvalidInput", "There is no such document, or nothing in it.")
	}
	if n := len(s.feeds); n >= maxFeeds && now.Sub(s.feeds[n-maxFeeds].created) < feedSpan {
		return failure(http.StatusTooManyRequests, "QuotaExceeded", "You exceeded your quota for the requested resource.")
	}
	s.serial++
	f := &feed{id: strconv.Itoa(50_000 + s.serial), document: in.Document, created: now, status: "IN_QUEUE"}
	s.feeds = append(s.feeds, f)
	s.apply(now)
	return answer{http.StatusAccepted, map[string]any{"feedId": f.id}}
}

func (s *Shop) feedOf(r *http.Request) *feed {
	for _, f := range s.feeds {
		if f.id == r.PathValue("id") {
			return f
		}
	}
	return nil
}

func (s *Shop) getFeed(r *http.Request, _ []byte, _ time.Time) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.feedOf(r)
	if f == nil {
		return failure(http.StatusNotFound, "NotFound", "There is no such feed.")
	}
	out := map[string]any{
		"feedId": f.id, "feedType": "JSON_LISTINGS_FEED", "marketplaceIds": []string{s.credentials.Marketplace},
		"createdTime": f.created.UTC().Format(time.RFC3339), "processingStatus": f.status,
	}
	if f.report != "" {
		out["resultFeedDocumentId"] = f.report
	}
	return answer{http.StatusOK, out}
}

func (s *Shop) cancelFeed(r *http.Request, _ []byte, _ time.Time) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.feedOf(r)
	switch {
	case f == nil:
		return failure(http.StatusNotFound, "NotFound", "There is no such feed.")
	case f.status != "IN_QUEUE":
		return failure(http.StatusBadRequest, "InvalidInput", "Only a feed in the queue can be cancelled.")
	}
	f.status = "CANCELLED"
	return answer{http.StatusOK, nil}
}

// A feedBody is the document of a JSON_LISTINGS_FEED, as far as quantities need it.
type feedBody struct {
	Header struct {
		Seller  string `json:"sellerId"`
		Version string `json:"version"`
		Locale  string `json:"issueLocale"`
	} `json:"header"`
	Messages []struct {
		ID        int    `json:"messageId"`
		SKU       string `json:"sku"`
		Operation string `json:"operationType"`
		patchRequest
	} `json:"messages"`
}

// process moves a feed on. When it ends, what it says is accepted message by message, and a report is there.
func (s *Shop) process(f *feed, now time.Time) {
	if f.status == "IN_QUEUE" && now.Sub(f.created) >= s.options.FeedTakes {
		f.status = "IN_PROGRESS"
	}
	if f.status != "IN_PROGRESS" || now.Sub(f.created) < 2*s.options.FeedTakes {
		return
	}
	var in feedBody
	if !strict(s.documents[f.document].content, &in) || in.Header.Seller != s.credentials.Seller || in.Header.Version != "2.0" ||
		in.Header.Locale == "" || len(in.Messages) == 0 || len(in.Messages) > maxFeedMessages {
		f.status = "FATAL"
		return
	}
	part := len(in.Messages)
	if f.status = "DONE"; s.random.IntN(1000) < s.options.FeedFatal {
		f.status, part = "FATAL", s.random.IntN(part)
	}
	issues, seen := []any{}, map[int]bool{}
	for i := range in.Messages[:part] {
		m := &in.Messages[i]
		issue := map[string]any{"code": "90000900", "severity": "ERROR", "message": "The message is not valid."}
		switch _, known := s.Level(channelsim.Place{Item: m.SKU}); {
		case m.ID < 1 || seen[m.ID] || m.Operation != "PATCH" || !m.wellFormed():
		case !known:
			issue["message"] = "SKU '" + m.SKU + "' not found."
		default:
			issue = m.wrong(m.SKU)
		}
		if seen[m.ID] = true; issue != nil {
			issue["messageId"], issue["sku"] = m.ID, m.SKU
			issues = append(issues, issue)
			continue
		}
		if m.Patches[0].Op != "merge" {
			delete(s.leads, m.SKU)
		}
		s.later(m.SKU, stock.Quantity(*m.Patches[0].Value[0].Quantity), "feed-"+f.id, now)
	}
	f.report = s.addDocument(&document{report: true, content: compressed(marshal(map[string]any{
		"header": map[string]any{"sellerId": in.Header.Seller, "version": "2.0", "feedId": f.id}, "issues": issues,
		"summary": map[string]any{
			"errors": len(issues), "warnings": 0, "messagesProcessed": part, "messagesAccepted": part - len(issues), "messagesInvalid": len(issues),
		},
	}))})
}

func compressed(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(b)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // it is written to memory
	}
	return out.Bytes()
}

// strict reads JSON that has no other fields.
func strict(b []byte, into any) bool {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(into) == nil
}
