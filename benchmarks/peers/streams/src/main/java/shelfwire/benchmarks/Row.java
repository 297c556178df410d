package shelfwire.benchmarks;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.CodedOutputStream;
import com.google.protobuf.WireFormat;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/**
 * A Row is the stock of one SKU. It is stored in the bytes that it leaves in, an Availability (schemas/proto), so that it is
 * written once only.
 *
 * @param version the number of the newest movement in it
 * @param onHand units by outlet
 */
record Row(String pool, String sku, long version, TreeMap<String, Long> onHand) {
  static final Serde<Row> SERDE = Serdes.serdeFrom((topic, row) -> row == null ? null : row.bytes(), (topic, bytes) -> parse(bytes));

  /** Adds a movement to a row, null for none. */
  static Row add(Row row, Movement movement) {
    TreeMap<String, Long> onHand = row == null ? new TreeMap<>() : row.onHand;
    onHand.merge(movement.outlet(), movement.change(), Long::sum);
    return new Row(movement.pool(), movement.sku(), movement.sequence(), onHand);
  }

  private byte[] bytes() {
    try {
      long total = 0;
      int size = CodedOutputStream.computeStringSize(1, pool)
          + CodedOutputStream.computeStringSize(2, sku)
          + CodedOutputStream.computeUInt64Size(3, version);
      for (Map.Entry<String, Long> level : onHand.entrySet()) {
        total += level.getValue();
        int length = levelSize(level);
        size += CodedOutputStream.computeTagSize(10) + CodedOutputStream.computeUInt32SizeNoTag(length) + length;
      }
      size += CodedOutputStream.computeInt64Size(5, total) + CodedOutputStream.computeInt64Size(8, total);
      byte[] bytes = new byte[size];
      CodedOutputStream out = CodedOutputStream.newInstance(bytes);
      out.writeString(1, pool);
      out.writeString(2, sku);
      out.writeUInt64(3, version);
      out.writeInt64(5, total);
      out.writeInt64(8, total);
      for (Map.Entry<String, Long> level : onHand.entrySet()) {
        out.writeTag(10, WireFormat.WIRETYPE_LENGTH_DELIMITED);
        out.writeUInt32NoTag(levelSize(level));
        out.writeString(1, level.getKey());
        out.writeInt64(2, level.getValue());
      }
      out.checkNoSpaceLeft();
      return bytes;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static int levelSize(Map.Entry<String, Long> level) {
    return CodedOutputStream.computeStringSize(1, level.getKey()) + CodedOutputStream.computeInt64Size(2, level.getValue());
  }

  private static Row parse(byte[] bytes) {
    if (bytes == null) {
      return null;
    }
    try {
      CodedInputStream in = CodedInputStream.newInstance(bytes);
      String pool = "";
      String sku = "";
      long version = 0;
      TreeMap<String, Long> onHand = new TreeMap<>();
      for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
        switch (WireFormat.getTagFieldNumber(tag)) {
          case 1 -> pool = in.readString();
          case 2 -> sku = in.readString();
          case 3 -> version = in.readUInt64();
          case 10 -> {
            int limit = in.pushLimit(in.readRawVarint32());
            level(in, onHand);
            in.popLimit(limit);
          }
          default -> in.skipField(tag);
        }
      }
      return new Row(pool, sku, version, onHand);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void level(CodedInputStream in, TreeMap<String, Long> onHand) throws IOException {
    String outlet = "";
    long units = 0;
    for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
      switch (WireFormat.getTagFieldNumber(tag)) {
        case 1 -> outlet = in.readString();
        case 2 -> units = in.readInt64();
        default -> in.skipField(tag);
      }
    }
    onHand.put(outlet, units);
  }
}
