package packed_test

import (
	"errors"
	"math"
	"reflect"
	"testing"

	"github.com/shelfwire/shelfwire/internal/packed"
)

type sample struct {
	A    int64
	B    int32
	C    uint64
	Text string
	On   bool
	P    *inner
	List []inner
}

type inner struct{ N int64 }

func (s *sample) fields(r *packed.Row) {
	there := s.P != nil
	r.Flags(&s.On, &there)
	packed.Int(r, &s.A)
	packed.Near(r, &s.B, 1000)
	packed.Uint(r, &s.C)
	r.Text(&s.Text)
	packed.Optional(r, &s.P, there, func(i *inner) { packed.Int(r, &i.N) })
	packed.List(r, &s.List, func(i *inner) { packed.Int(r, &i.N) })
}

func TestRow(t *testing.T) {
	for _, want := range []sample{
		{},
		{A: -1, B: 1001, C: 7, Text: "\x00é", On: true, P: &inner{-5}, List: []inner{{1}, {math.MaxInt64}}},
		{A: math.MinInt64, B: math.MaxInt32, C: math.MaxUint64, P: &inner{}},
	} {
		w := packed.Write(3)
		want.fields(w)
		var got sample
		r := packed.Read(w.Bytes(), 3)
		got.fields(r)
		if err := r.Done(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("read %+v, %v, want %+v", got, err, want)
		}
		for n := range w.Bytes() { // cut short anywhere
			r := packed.Read(w.Bytes()[:n], 3)
			var cut sample
			cut.fields(r)
			if !errors.Is(r.Done(), packed.ErrForm) {
				t.Errorf("%d of %d bytes are taken for a row: %+v", n, len(w.Bytes()), cut)
			}
		}
		r = packed.Read(append(w.Bytes(), 0), 3)
		got.fields(r)
		if !errors.Is(r.Done(), packed.ErrForm) {
			t.Error("a row with something behind it is taken for one")
		}
		if !errors.Is(packed.Read(w.Bytes(), 4).Done(), packed.ErrForm) {
			t.Error("a row of another layout is taken for one")
		}
	}
}

func FuzzRow(f *testing.F) {
	w := packed.Write(3)
	(&sample{A: -1, Text: "x", P: &inner{}, List: []inner{{1}}}).fields(w)
	f.Add(w.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		r := packed.Read(b, 3)
		var s sample
		s.fields(r)
		if r.Done() != nil {
			return
		}
		again := packed.Write(3)
		s.fields(again)
		var back sample
		r = packed.Read(again.Bytes(), 3)
		back.fields(r)
		if r.Done() != nil || !reflect.DeepEqual(back, s) {
			t.Errorf("%+v is read back as %+v", s, back)
		}
	})
}
