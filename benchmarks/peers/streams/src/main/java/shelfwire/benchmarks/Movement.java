package shelfwire.benchmarks;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.WireFormat;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/**
 * A Movement is what is needed of a journal entry with a movement (schemas/proto): the rest is skipped, which is the least work
 * that a consumer can have with it.
 *
 * @param change what it adds to the units on hand
 * @param sequence the number of the movement, from 1
 */
record Movement(String pool, String outlet, String sku, long change, long sequence) {
  static final Serde<Movement> SERDE =
      Serdes.serdeFrom((topic, movement) -> { throw new UnsupportedOperationException(); }, (topic, bytes) -> parse(bytes));

  private static final int EVENT = 1; // of JournalEntry
  private static final int MOVEMENT = 1; // of Event

  private static Movement parse(byte[] entry) {
    try {
      CodedInputStream in = CodedInputStream.newInstance(entry);
      in.pushLimit(into(in, EVENT));
      in.pushLimit(into(in, MOVEMENT));
      return read(in);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Skips to the message with the number and returns its length. */
  private static int into(CodedInputStream in, int number) throws IOException {
    for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
      if (WireFormat.getTagFieldNumber(tag) == number) {
        return in.readRawVarint32();
      }
      in.skipField(tag);
    }
    throw new IOException("an entry without a movement");
  }

  private static Movement read(CodedInputStream in) throws IOException {
    String pool = "";
    String outlet = "";
    String sku = "";
    int kind = 0;
    long quantity = 0;
    long sequence = 0;
    for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
      switch (WireFormat.getTagFieldNumber(tag)) {
        case 1 -> pool = in.readString();
        case 2 -> outlet = in.readString();
        case 3 -> sku = in.readString();
        case 4 -> kind = in.readEnum();
        case 5 -> quantity = in.readInt64();
        case 10 -> sequence = in.readInt64();
        default -> in.skipField(tag);
      }
    }
    return new Movement(pool, outlet, sku, change(kind, quantity), sequence);
  }

  /** The kinds that add or subtract; the workload has no counts and no transfers. */
  private static long change(int kind, long quantity) throws IOException {
    return switch (kind) {
      case 1, 2, 3, 4, 9 -> quantity; // receipt, production, return, transfer in, adjustment
      case 5, 6, 7, 8 -> -quantity; // sale, shipment, write-off, transfer out
      default -> throw new IOException("a movement of kind " + kind);
    };
  }
}
