package amazon_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/channelsim"
	simulated "github.com/shelfwire/shelfwire/internal/channelsim/amazon"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// bulk puts n listings on sale, lets the connector see them, and returns rows that set them.
func bulk(t *testing.T, sim *simulated.Shop, read func(context.Context, []publisher.Item) (publisher.Reading, error), n int) []publisher.Row {
	t.Helper()
	rows := make([]publisher.Row, n)
	items := make([]publisher.Item, n)
	for i := range rows {
		sku := fmt.Sprintf("S%04d", i)
		sim.Put(sku, 5)
		rows[i] = row(sku, stock.Quantity(100+i))
		items[i] = rows[i].Item
	}
	if _, err := read(t.Context(), items); err != nil {
		t.Fatal(err)
	}
	return rows
}

// What a feed's report says of a message is the row's outcome; what it accepts is applied later, or never, and so is unknown.
func TestFeed(t *testing.T) {
	sim, c, _ := start(t, simulated.Options{Unlimited: true, FeedTakes: 300 * time.Millisecond})
	sim.PutFBA("F", 40)
	rows := bulk(t, sim, c.Read, 40)
	rows = append(rows, row("F", 7), row("none", 7))
	rows[3].Quantity = -1 // nobody would, but it is refused by the report
	reply, err := c.Set(t.Context(), "k", rows)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range reply.Rows {
		want, reason := publisher.RowPending, "is DONE"
		switch i {
		case 3:
			want, reason = publisher.RowRefused, "90244"
		case 40:
			want, reason = publisher.RowRefused, "Amazon ships it"
		case 41:
			want, reason = publisher.RowRefused, "no such listing"
		}
		if r.Outcome != want || !strings.Contains(r.Reason, reason) {
			t.Errorf("row %d = %+v, want outcome %d, %q", i, r, want, reason)
		}
	}
	if reply.ID == "" || level(sim, "S0007") != 107 || level(sim, "S0003") != 5 || sim.Ships("F") != "AMAZON_NA" || level(sim, "F") != 40 {
		t.Errorf("the reply's id is %q, the levels %d and %d, F is shipped by %s", reply.ID, level(sim, "S0007"), level(sim, "S0003"), sim.Ships("F"))
	}
	if sim.LeadTime("S0007") != 2 {
		t.Error("the feed has wiped the lead time")
	}
	patched := 0
	for _, ch := range sim.Changes() {
		if strings.HasPrefix(ch.Key, "submission-") {
			patched++
		}
	}
	if patched != 0 {
		t.Errorf("%d rows of a bulk were patched", patched)
	}
}

// A feed that has not begun by the request's end is cancelled, and its rows are unsent; one that has is of unknown outcome.
func TestAFeedThatIsNotDoneInTime(t *testing.T) {
	for name, tt := range map[string]struct {
		takes time.Duration
		want  publisher.Outcome
		after stock.Quantity
	}{"it waits": {time.Hour, publisher.RowUnsent, 5}, "it is at it": {500 * time.Millisecond, publisher.RowPending, 107}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim, c, _ := start(t, simulated.Options{Unlimited: true, FeedTakes: tt.takes})
			rows := bulk(t, sim, c.Read, 30)
			ctx, cancel := context.WithTimeout(t.Context(), 1200*time.Millisecond) // of which a quarter is kept for the end
			defer cancel()
			reply, err := c.Set(ctx, "k", rows)
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range reply.Rows {
				if r.Outcome != tt.want {
					t.Fatalf("row %d = %+v, want %d", i, r, tt.want)
				}
			}
			sim.Apply(time.Now().Add(2 * tt.takes))
			if got := level(sim, "S0007"); got != tt.after {
				t.Errorf("the level is %d in the end, want %d", got, tt.after)
			}
		})
	}
}

// A feed may end after a part: of nothing that its report does not refuse is anything known.
func TestAFatalFeed(t *testing.T) {
	sim, c, _ := start(t, simulated.Options{Unlimited: true, FeedFatal: 1000})
	rows := bulk(t, sim, c.Read, 30)
	reply, err := c.Set(t.Context(), "k", rows)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range reply.Rows {
		if r.Outcome != publisher.RowPending || !strings.Contains(r.Reason, "FATAL") {
			t.Errorf("row %d = %+v, want pending", i, r)
		}
	}
	if level(sim, "S0029") != 5 {
		t.Error("the last message was done, the test's feed did not end early")
	}
}

// Where no feed can be made, some rows are patched and the others decided anew: a bulk never waits for the plan of feeds, nor does the
// channel.
func TestNoFeedToBeHad(t *testing.T) {
	sim, c, _ := start(t, simulated.Options{})
	rows := bulk(t, sim, c.Read, 22)
	sim.Spend("createFeed", 15)
	sim.Spend("patch", -100)
	reply, err := c.Set(t.Context(), "k", rows)
	if err != nil || reply.Failed != nil {
		t.Fatalf("Set() = %v, failed %v", err, reply.Failed)
	}
	for i, r := range reply.Rows {
		if r.Outcome != publisher.RowPending || !strings.Contains(r.Reason, "ACCEPTED") {
			t.Errorf("row %d = %+v, want patched", i, r)
		}
	}
}

// A fault on the way to a feed has changed nothing; a lost answer about the feed itself may have.
func TestFaultsOfAFeed(t *testing.T) {
	for _, tt := range []struct {
		name   string
		script []channelsim.Fault
		want   publisher.Class // "": it is done by patches
	}{
		{"no document", []channelsim.Fault{channelsim.ErrorBefore}, ""},
		{"the document's answer is lost", []channelsim.Fault{channelsim.CutAfter}, ""},
		{"too many feeds", []channelsim.Fault{channelsim.None, channelsim.Throttle}, ""},
		{"the feed's answer is lost", []channelsim.Fault{channelsim.None, channelsim.CutAfter}, publisher.Connection},
		{"an error after the feed was made", []channelsim.Fault{channelsim.None, channelsim.ErrorAfter}, publisher.ServerError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sim, c, _ := start(t, simulated.Options{Unlimited: true})
			rows := bulk(t, sim, c.Read, 21)
			sim.Meet(tt.script...)
			reply, err := c.Set(t.Context(), "k", rows)
			if tt.want != "" {
				if e, ok := errors.AsType[*publisher.RequestError](err); !ok || e.Class != tt.want {
					t.Errorf("Set() = %v, want %s", err, tt.want)
				}
			} else if err != nil || !strings.Contains(reply.Rows[0].Reason, "ACCEPTED") {
				t.Errorf("Set() = %+v, %v, want patches", reply.Rows[0], err)
			}
			if level(sim, "S0007") != 107 {
				t.Errorf("the level is %d, want 107", level(sim, "S0007"))
			}
		})
	}
}

// A feed is polled through errors; a report that cannot be read leaves its rows unknown, whatever is wrong with it.
func TestReportsThatSayNothing(t *testing.T) {
	for name, body := range map[string]string{
		"not there": "", "not JSON": "<html>", "counts more than it names": `{"issues":[{"messageId":1,"severity":"ERROR"}],"summary":{"messagesInvalid":2}}`,
		"of another feed": `{"issues":[{"messageId":99,"severity":"ERROR"}],"summary":{"messagesInvalid":1}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			looks := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch at := "http://" + r.Host; {
				case r.URL.Path == "/auth/o2/token":
					_, _ = io.WriteString(w, `{"access_token":"t","expires_in":3600}`)
				case strings.HasPrefix(r.URL.Path, "/listings/"):
					items := []string{}
					for _, sku := range strings.Split(r.URL.Query().Get("identifiers"), ",") {
						items = append(items, `{"sku":"`+sku+`","fulfillmentAvailability":[{"fulfillmentChannelCode":"DEFAULT","quantity":5}]}`)
					}
					_, _ = io.WriteString(w, `{"items":[`+strings.Join(items, ",")+`]}`)
				case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/documents"):
					_, _ = io.WriteString(w, `{"feedDocumentId":"d","url":"`+at+`/up"}`)
				case r.Method == http.MethodPost:
					_, _ = io.WriteString(w, `{"feedId":"1"}`)
				case strings.HasSuffix(r.URL.Path, "/feeds/1"):
					if looks++; looks == 1 {
						http.Error(w, "busy", http.StatusInternalServerError)
						return
					}
					_, _ = io.WriteString(w, `{"processingStatus":"DONE","resultFeedDocumentId":"r"}`)
				case strings.HasSuffix(r.URL.Path, "/documents/r"):
					_, _ = io.WriteString(w, `{"feedDocumentId":"r","url":"`+at+`/report"}`)
				case r.URL.Path == "/report" && body == "":
					http.NotFound(w, r)
				default:
					_, _ = io.WriteString(w, body)
				}
			}))
			defer server.Close()
			rows := make([]publisher.Row, 21)
			for i := range rows {
				rows[i] = row(fmt.Sprintf("S%d", i), 7)
			}
			reply, err := connect(t, endpoint(server.URL)).Set(t.Context(), "k", rows)
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range reply.Rows {
				if r.Outcome != publisher.RowPending {
					t.Errorf("row %d = %+v, want pending", i, r)
				}
			}
		})
	}
}
