// Package shelfwirev1 holds the records of Shelfwire's topics for programs that speak to it. All of it but this comment is
// generated from schemas/proto, where every field is described. Shelfwire itself reads and writes these messages with
// internal/codec, whose tests hold the two together.
package shelfwirev1
