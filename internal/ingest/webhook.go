package ingest

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/signature"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A Sender is a channel that posts to /v1/webhooks/{channel}, and how it does.
type Sender struct {
	Pool, Channel string
	Webhook       Webhook
}

// A Webhook is a vendor's way to sign and to word what its channels post. It is safe for concurrent use.
type Webhook interface {
	// Open checks the raw body before it looks into it. An error that wraps [signature.ErrInvalid] says that nobody knows whose the
	// body is; any other that it cannot be read. No error names a secret, or repeats the body, which may be about a person.
	Open(header http.Header, body []byte, now stock.Instant) (Delivery, error)
}

// A Delivery is what a webhook brought.
type Delivery struct {
	// Events is what it says as a body of POST /v1/events; empty where it says nothing that we take.
	Events      []byte
	ContentType string
	// ID is the same each time the webhook is delivered; "" where its events need none to be told from their copies.
	ID string
}

// StandardWebhooks takes events as POST /v1/events does, signed as Standard Webhooks 1.0.0 says with one of the secrets.
type StandardWebhooks struct{ Secrets []signature.Secret }

// Open implements [Webhook].
func (h StandardWebhooks) Open(header http.Header, body []byte, now stock.Instant) (Delivery, error) {
	id := header.Get(signature.HeaderID)
	err := signature.Verify(h.Secrets, id, header.Get(signature.HeaderTimestamp), header.Get(signature.HeaderSignature), now, body)
	if err != nil {
		return Delivery{}, err
	}
	contentType, ok := accepted(header.Get("Content-Type"))
	if !ok {
		return Delivery{}, errors.New("the content type must be application/json, application/x-ndjson or " + stream.ContentTypeProtobuf)
	}
	return Delivery{Events: body, ContentType: contentType, ID: id}, nil
}

// webhook takes what a channel posts.
func (s *Stage) webhook(w http.ResponseWriter, r *http.Request) {
	sender, why := s.sender(r.PathValue("channel"))
	if sender == nil {
		s.refuse(w, http.StatusNotFound, why)
		return
	}
	if !s.plain(w, r) {
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
	now := stock.InstantOf(s.deps.Now())
	got, err := sender.Webhook.Open(r.Header, body, now)
	if err != nil {
		s.deps.Logger.WarnContext(r.Context(), "webhook refused", "pool", sender.Pool, "channel", sender.Channel, "err", err)
		if errors.Is(err, signature.ErrInvalid) {
			s.refuse(w, http.StatusUnauthorized, err.Error())
		} else {
			s.refuse(w, http.StatusBadRequest, err.Error())
		}
		return
	}
	if len(got.Events) == 0 { // a refusal would make the vendor send it again, and end the subscription after some times
		s.metrics.rows.WithLabelValues("ignored").Inc()
		s.reply(w, http.StatusOK, answer{Rejected: []rejectedRow{}})
		return
	}
	req := &request{contentType: got.ContentType, now: now, sender: sender}
	if got.ID != "" {
		if req.key = sender.Channel + "/" + got.ID; !usable(got.ID) || len(req.key) > maxKeyBytes {
			s.refuse(w, http.StatusBadRequest, "the webhook's id must be printable ASCII, with the channel's at most "+strconv.Itoa(maxKeyBytes)+" bytes")
			return
		}
	}
	s.take(w, r, req, got.Events)
}

// sender returns the channel that name means, which is "pool/channel" with both percent-encoded, or the channel alone; or why none.
func (s *Stage) sender(name string) (found *Sender, why string) {
	for i := range s.cfg.Senders {
		x := &s.cfg.Senders[i]
		if name == stream.JoinKey(x.Pool, x.Channel) {
			return x, ""
		}
		if name != x.Channel {
			continue
		}
		if found != nil {
			return nil, "several pools have a channel of this name: write pool%2Fchannel"
		}
		found = x
	}
	if found == nil {
		return nil, "no webhooks are taken of such a channel: see the setting webhooks of channels"
	}
	return found, ""
}

// foreign refuses what a channel may not speak of: its secret is that of one channel of one pool.
func (s *Sender) foreign(e *record.Event) *record.Rejection {
	if s == nil {
		return nil
	}
	reject := &record.Rejection{Class: "refused", Pool: e.PoolID()}
	if e.PoolID() != s.Pool {
		reject.Field, reject.Reason = "pool", "is not that of the channel whose webhook this is, "+s.Pool
		return reject
	}
	if channel := channelOf(e); channel != "" && channel != s.Channel {
		reject.Field, reject.Reason = "channel", "is not the one whose webhook this is, "+s.Channel
		return reject
	}
	return nil
}

// channelOf returns the channel that an event is about, "" for none.
func channelOf(e *record.Event) string {
	switch e.Kind() {
	case record.KindOrder:
		return e.Order.Channel
	case record.KindFulfilment:
		return e.Fulfilment.Channel
	case record.KindMark:
		return e.Mark.Channel
	case record.KindListing:
		return e.Listing.Channel
	case record.KindChannel:
		return e.Channel.Channel
	case record.KindDecline:
		return e.Decline.Channel
	case record.KindReassign:
		return e.Reassign.Channel
	case record.KindRefresh:
		return e.Refresh.Channel
	default:
		return ""
	}
}
