// Package kafka gives the stages their log: it is the only importer of the Kafka client. It owns connections, the
// assignment of partitions by consumer groups, and the topics; it looks into no record.
//
// A broker that is away is waited for, and said once: reading and writing go on by themselves when it is back.
package kafka
