// Package engine is the fold that everything is computed from: state + journal entry → state + what changed. It owns the
// rules of stock, orders and offers, and the packed form of the state's rows.
//
// It is pure. It has no clock (journal time is the greatest entry time so far), no random, no floats and no I/O; where it
// walks a map it sorts first, so the same journal gives the same bytes on any machine, however it is cut into batches.
// The runtime loads the rows that [State.Missing] names, calls [State.Apply] entry by entry, and writes out what
// [Changes] collected; [State.Look] makes it faster and changes nothing. A State belongs to one goroutine.
//
// One entry goes: skip what the origin already sent → advance journal time → handle what has become due and take a step of a
// sweep → drop what the sender sent twice → apply the event → take back promises that can no longer be kept → serve waiting
// orders from what became free → work out the offers of every SKU that was touched, and of the kits it is part of.
//
// Missing runs before any of this and must name every row that Apply will touch, from the state as it is before the entry. It
// names too many rather than too few: where a shelf may end with less than it has promised it asks for the newest promises as
// if all units left there.
package engine
