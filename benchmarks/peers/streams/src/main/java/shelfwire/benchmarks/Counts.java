package shelfwire.benchmarks;

import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * Counts keeps what each outlet holds of each SKU with Kafka Streams, exactly once: a store of RocksDB with its changelog, one
 * thread, one transaction a commit. It reads journal entries whose key is the SKU, which spares it a repartition topic, and
 * writes the availability of each SKU that changed since the commit before.
 *
 * <p>It prints "running" when it has its partition, and ends when its standard input does.
 */
public final class Counts {
  private Counts() {}

  public static void main(String[] args) throws Exception {
    if (args.length != 6) {
      System.err.println("arguments: BROKERS FROM TO APPLICATION-ID STATE-DIRECTORY COMMIT-INTERVAL-MS");
      System.exit(2);
    }
    Properties config = new Properties();
    config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
    config.put(StreamsConfig.APPLICATION_ID_CONFIG, args[3]);
    config.put(StreamsConfig.STATE_DIR_CONFIG, args[4]);
    config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, args[5]);
    config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    config.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    // Enough for every row, so that RocksDB is written to at commits only and a SKU leaves once a commit.
    config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 256L << 20);
    config.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    config.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5000);
    config.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
    config.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 << 10);

    CountDownLatch running = new CountDownLatch(1);
    KafkaStreams streams = new KafkaStreams(topology(args[1], args[2]), config);
    streams.setStateListener((now, before) -> {
      if (now == KafkaStreams.State.RUNNING) {
        running.countDown();
      }
    });
    streams.setUncaughtExceptionHandler(e -> {
      e.printStackTrace();
      Runtime.getRuntime().halt(1);
      return StreamThreadExceptionResponse.SHUTDOWN_APPLICATION;
    });
    streams.start();
    running.await();
    System.out.println("running");
    System.out.flush();
    System.in.transferTo(java.io.OutputStream.nullOutputStream());
    streams.close(Duration.ofSeconds(10));
  }

  static Topology topology(String from, String to) {
    StreamsBuilder builder = new StreamsBuilder();
    builder
        .stream(from, Consumed.with(Serdes.ByteArray(), Movement.SERDE))
        .groupByKey(Grouped.with(Serdes.ByteArray(), Movement.SERDE))
        .aggregate(
            () -> null,
            (sku, movement, row) -> Row.add(row, movement),
            Materialized.<byte[], Row, KeyValueStore<Bytes, byte[]>>as("counts")
                .withKeySerde(Serdes.ByteArray())
                .withValueSerde(Row.SERDE))
        .toStream()
        .to(to, Produced.with(Serdes.ByteArray(), Row.SERDE));
    return builder.build();
  }
}
