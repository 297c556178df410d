//go:build integration

package simtest_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// newKafkaProxy starts a proxy before a Kafka of one broker. A client only asks the address it is given where the brokers are, and
// connects to what it is told, so the proxy puts its own address into those answers.
func newKafkaProxy(t *testing.T, target string) *proxy {
	t.Helper()
	return startKafkaProxy(t, target, func(w wire) wire { return w })
}

// startKafkaProxy is newKafkaProxy with something around each wire.
func startKafkaProxy(t *testing.T, target string, around func(wire) wire) *proxy {
	t.Helper()
	return startProxy(t, target, func(address string) wire {
		return around(&kafkaWire{address: address, asked: map[int32]kmsg.Response{}})
	})
}

// A kafkaWire carries Kafka's protocol: frames of a length in four bytes and a message. A request begins with what is asked, in
// which version, and a number that its answer begins with.
type kafkaWire struct {
	address string // what is put in place of the broker's

	mu    sync.Mutex
	asked map[int32]kmsg.Response // answers to come that name the broker's address, by the number of their request; guarded by mu
}

func (w *kafkaWire) up(server io.Writer, client io.Reader) error {
	return eachFrame(server, client, func(frame []byte) ([]byte, error) {
		if len(frame) < 8 {
			return nil, fmt.Errorf("a request of %d bytes", len(frame))
		}
		key := kmsg.Key(binary.BigEndian.Uint16(frame))
		if key == kmsg.Metadata || key == kmsg.FindCoordinator {
			answer := kmsg.ResponseForKey(key.Int16())
			answer.SetVersion(int16(binary.BigEndian.Uint16(frame[2:])))
			w.mu.Lock()
			w.asked[int32(binary.BigEndian.Uint32(frame[4:]))] = answer
			w.mu.Unlock()
		}
		return frame, nil
	})
}

func (w *kafkaWire) down(client io.Writer, server io.Reader) error {
	host, text, err := net.SplitHostPort(w.address)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	port := int32(number)
	return eachFrame(client, server, func(frame []byte) ([]byte, error) {
		if len(frame) < 4 {
			return nil, fmt.Errorf("an answer of %d bytes", len(frame))
		}
		id := int32(binary.BigEndian.Uint32(frame))
		w.mu.Lock()
		answer := w.asked[id]
		delete(w.asked, id)
		w.mu.Unlock()
		if answer == nil {
			return frame, nil
		}
		header := 4
		if answer.IsFlexible() {
			header++ // how many tagged fields the header has: none
		}
		if err := answer.ReadFrom(frame[header:]); err != nil {
			return nil, err
		}
		switch a := answer.(type) {
		case *kmsg.MetadataResponse:
			for i := range a.Brokers {
				a.Brokers[i].Host, a.Brokers[i].Port = host, port
			}
		case *kmsg.FindCoordinatorResponse:
			a.Host, a.Port = host, port
			for i := range a.Coordinators {
				a.Coordinators[i].Host, a.Coordinators[i].Port = host, port
			}
		}
		return answer.AppendTo(frame[:header:header]), nil
	})
}

// eachFrame copies frames, each as change returns it, until one of the two sides ends.
func eachFrame(dst io.Writer, src io.Reader, change func([]byte) ([]byte, error)) error {
	for {
		var length [4]byte
		if _, err := io.ReadFull(src, length[:]); err != nil {
			return err
		}
		frame := make([]byte, binary.BigEndian.Uint32(length[:]))
		if _, err := io.ReadFull(src, frame); err != nil {
			return err
		}
		frame, err := change(frame)
		if err != nil {
			return err
		}
		binary.BigEndian.PutUint32(length[:], uint32(len(frame)))
		if _, err := dst.Write(append(length[:], frame...)); err != nil {
			return err
		}
	}
}
