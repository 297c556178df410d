package main

import (
	"reflect"
	"testing"
)

func TestEverySampleIsOfOneKindOfWork(t *testing.T) {
	const dashes = "-----------+-------------------------------------------------------\n"
	got, err := where("File: allocator\nType: cpu\n" + dashes +
		"      10ms   github.com/shelfwire/shelfwire/internal/codec.AppendOffer\n" +
		"             github.com/shelfwire/shelfwire/internal/output.(*Batch).Fill\n" + dashes +
		"     1.01s   runtime.mallocgc\n" +
		"             github.com/shelfwire/shelfwire/internal/output.(*Batch).Fill\n" +
		"             github.com/shelfwire/shelfwire/internal/allocator.(*fold).batch\n" + dashes +
		"      20ms   runtime.mapaccess2\n" +
		"             github.com/shelfwire/shelfwire/internal/engine.(*State).Apply\n" +
		"             github.com/shelfwire/shelfwire/internal/allocator.(*fold).batch\n" + dashes +
		"     960ms   runtime.mcall\n" + dashes)
	want := []share{{"packing rows", 0.505}, {rest, 0.48}, {"fold", 0.01}, {"encoding outputs", 0.005}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("where() = %v, %v, want %v", got, err, want)
	}
	if _, err := where("File: allocator\n"); err == nil {
		t.Error("an empty profile has no shares")
	}
}
