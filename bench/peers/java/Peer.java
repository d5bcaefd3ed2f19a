import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * What all peers in Java share: arguments, messages, how a thread is pinned, the clock and the check of the consumer.
 */
final class Peer {
  static final int SALT = 0x5bd1e995;

  /** A message of 8 bytes, which is allocated once. One of 64 bytes is a Large. */
  static class Message {
    int sequence, mark;

    void write(int of, int part) {
      sequence = of;
      mark = of ^ SALT ^ part;
    }
  }

  static final class Large extends Message {
    int c, d, e, f, g, h, i, j, k, l, m, n, o, p;

    @Override void write(int of, int part) {
      sequence = of;
      mark = of + 1;
      c = of + 2; d = of + 3; e = of + 4; f = of + 5; g = of + 6; h = of + 7; i = of + 8; j = of + 9; k = of + 10;
      l = of + 11; m = of + 12; n = of + 13; o = of + 14; p = of + 15;
    }

    boolean hasAll(int of) {
      return ((sequence ^ of) | (mark ^ of + 1) | (c ^ of + 2) | (d ^ of + 3) | (e ^ of + 4) | (f ^ of + 5)
          | (g ^ of + 6) | (h ^ of + 7) | (i ^ of + 8) | (j ^ of + 9) | (k ^ of + 10) | (l ^ of + 11)
          | (m ^ of + 12) | (n ^ of + 13) | (o ^ of + 14) | (p ^ of + 15)) == 0;
    }
  }

  Message newMessage() {
    return bytes == 64 ? new Large() : new Message();
  }

  final String queue, pattern;
  final int bytes, batch, capacity, producers, cpuA, cpuB;
  final long warmupNs, measureNs;
  volatile boolean isEnough;
  final AtomicLong sent = new AtomicLong();
  final AtomicInteger over = new AtomicInteger();

  Peer(String[] args) {
    if (args.length != 10) {
      System.err.println("usage: queue each|batch|broadcast|round-trip|wake bytes batch capacity producers cpuA cpuB"
          + " warmupMs measureMs");
      System.exit(2);
    }
    queue = args[0];
    pattern = args[1];
    bytes = Integer.parseInt(args[2]);
    batch = Integer.parseInt(args[3]);
    capacity = Integer.parseInt(args[4]);
    producers = Integer.parseInt(args[5]);
    cpuA = Integer.parseInt(args[6]);
    cpuB = Integer.parseInt(args[7]);
    warmupNs = Long.parseLong(args[8]) * 1_000_000;
    measureNs = Long.parseLong(args[9]) * 1_000_000;
  }

  /** Pins a thread by the tool that any program would use, since Java has no call for it. */
  static void pin(int cpu) {
    try {
      String thread = Files.readSymbolicLink(Path.of("/proc/thread-self")).getFileName().toString();
      Process taskset = new ProcessBuilder("taskset", "-p", "-c", String.valueOf(cpu), thread)
          .redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
      if (taskset.waitFor() != 0) throw new IOException("CPU " + cpu + " was not granted");
    } catch (IOException | InterruptedException error) {
      System.err.println(error);
      Runtime.getRuntime().halt(2);
    }
  }

  interface Slice {
    /** Sends the messages of a slice, from `first` on. */
    void send(int first, int part);
  }

  static final int SLICE = 4096;

  Thread[] produce(Slice slice) {
    Thread[] threads = new Thread[producers];
    for (int part = 0; part < producers; part++) {
      int mine = part;
      threads[part] = new Thread(() -> {
        pin(cpuA);
        int first = 0;
        long count = 0;
        for (; !isEnough; first += SLICE, count += SLICE) slice.send(first, mine);
        sent.addAndGet(count);
        over.incrementAndGet();
      });
      threads[part].start();
    }
    return threads;
  }

  // The part of the consumer. Only its thread uses these fields.
  private int[] expected;
  private long bornNs, startNs, before, received, wrong;
  private double rate;

  void begin() {
    expected = new int[producers];
    bornNs = System.nanoTime();
  }

  void take(Message message) {
    if (bytes == 64) {
      if (!((Large) message).hasAll(expected[0]++)) wrong++;
    } else {
      take(message.sequence, message.mark);
      return;
    }
    if ((++received & 4095) == 0) look();
  }

  void take(int sequence, int mark) {
    int part = sequence ^ mark ^ SALT;
    if (part < 0 || part >= expected.length || sequence != expected[part]++) wrong++;
    if ((++received & 4095) == 0) look();
  }

  private void look() {
    long now = System.nanoTime();
    if (startNs == 0) {
      if (now - bornNs < warmupNs) return;
      startNs = now;
      before = received;
    } else if (rate == 0 && now - startNs >= measureNs) {
      rate = (received - before) * 1e9 / (now - startNs);
      isEnough = true;
    }
  }

  /** True if everything that was sent has been received. */
  boolean isOver() {
    return over.get() == producers && received == sent.get();
  }

  void end() {
    fail(wrong);
    System.out.printf("{\"rate\":%.0f,\"verified\":true}%n", rate);
    System.out.flush();
    Runtime.getRuntime().halt(0);
  }

  static void fail(long wrong) {
    if (wrong == 0) return;
    System.err.println(wrong + " messages were lost, repeated or torn");
    Runtime.getRuntime().halt(1);
  }

  interface Ask {
    int ask(int word);
  }

  static void sleep(int ms) {
    try {
      Thread.sleep(ms);
    } catch (InterruptedException error) {
      throw new IllegalStateException(error);
    }
  }

  /**
   * Rounds of a question and its complement, timed from one answer to the next. In the pattern `wake` the asking side
   * rests first, so that the other one has gone to sleep, and a round is timed from its question.
   */
  void trip(Ask ask) {
    boolean isWake = pattern.equals("wake");
    int[] ns = new int[1 << 23];
    int rounds = 0, wrongs = 0;
    long born = System.nanoTime(), last = born;
    for (int round = 1; last < born + warmupNs + measureNs && rounds < ns.length; round++) {
      if (isWake) {
        LockSupport.parkNanos(200_000);
        last = System.nanoTime();
      }
      if (ask.ask(round) != ~round) wrongs++;
      long at = System.nanoTime();
      if (last >= born + warmupNs) ns[rounds++] = (int) (at - last);
      last = at;
    }
    fail(wrongs);
    Arrays.sort(ns, 0, rounds);
    System.out.printf("{\"p50\":%d,\"p99\":%d,\"verified\":true}%n", ns[rounds / 2], ns[(int) (rounds * 0.99)]);
    System.out.flush();
    Runtime.getRuntime().halt(0);
  }
}
