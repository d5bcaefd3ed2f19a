import io.netty.util.HashedWheelTimer;
import io.netty.util.Timeout;
import io.netty.util.TimerTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;

/**
 * Peer `netty` for timers: HashedWheelTimer, whose wheel belongs to a thread of its own. Timers that are created and
 * cancelled wait in queues for its next tick. `cost` uses the defaults; `expire` uses a tick of 1 ms, the least
 * possible.
 */
public final class NettyTimers {
  private static final int LEAST_MS = 60_000, SPAN_MS = 60_000;

  /** The same numbers as in bench/suites/timers/delays.ts. */
  private static final class Random {
    private long state;

    Random(long seed) {
      state = seed;
    }

    long below(long bound) {
      state = state * 48_271 % 2_147_483_647;
      return (long) (state / 2_147_483_647.0 * bound);
    }
  }

  public static void main(String[] args) throws InterruptedException {
    int[] numbers = new int[args.length];
    for (int i = 1; i < args.length; i++) numbers[i] = Integer.parseInt(args[i]);
    if (args[0].equals("expire")) expire(numbers[1], numbers[2]);
    else cost(numbers[1], numbers[2], numbers[3], numbers[4]);
  }

  /** Timers a second while `live` others are due in one to two minutes. They are cancelled in the order of creation. */
  private static void cost(int live, int batch, int warmupRounds, int rounds) {
    HashedWheelTimer timer = new HashedWheelTimer();
    AtomicInteger fired = new AtomicInteger();
    TimerTask run = (timeout) -> fired.incrementAndGet();
    Random random = new Random(1);
    for (int i = 0; i < live; i++) timer.newTimeout(run, LEAST_MS + random.below(SPAN_MS), TimeUnit.MILLISECONDS);
    random = new Random(2);
    long[] delaysMs = new long[batch];
    for (int i = 0; i < batch; i++) delaysMs[i] = 2 * LEAST_MS + random.below(SPAN_MS);
    Timeout[] timeouts = new Timeout[batch];
    long creatingNs = 0, cancellingNs = 0;
    int cancelled = 0;
    for (int round = -warmupRounds; round < rounds; round++) {
      long startNs = System.nanoTime();
      for (int i = 0; i < batch; i++) timeouts[i] = timer.newTimeout(run, delaysMs[i], TimeUnit.MILLISECONDS);
      long middleNs = System.nanoTime();
      for (int i = 0; i < batch; i++) if (timeouts[i].cancel()) cancelled++;
      long endNs = System.nanoTime();
      if (round < 0) continue;
      creatingNs += middleNs - startNs;
      cancellingNs += endNs - middleNs;
    }
    Peer.fail(fired.get() + (warmupRounds + rounds) * batch - cancelled);
    double all = (double) rounds * batch;
    System.out.printf("{\"createRate\":%.0f,\"cancelRate\":%.0f,\"verified\":true}%n", all / creatingNs * 1e9,
        all / cancellingNs * 1e9);
    System.out.flush();
    Runtime.getRuntime().halt(0);
  }

  /**
   * Timers that are due within one millisecond, in another order than they were made: the time from the first deadline
   * until all have run.
   */
  private static void expire(int count, int aheadMs) throws InterruptedException {
    HashedWheelTimer timer = new HashedWheelTimer(1, TimeUnit.MILLISECONDS);
    AtomicInteger left = new AtomicInteger(count), early = new AtomicInteger();
    AtomicIntegerArray times = new AtomicIntegerArray(count);
    Random random = new Random(7);
    long firstNs = System.nanoTime() + aheadMs * 1_000_000L;
    for (int i = 0; i < count; i++) {
      int at = i;
      long dueNs = firstNs + random.below(1_000_000);
      timer.newTimeout((timeout) -> {
        if (System.nanoTime() < dueNs) early.incrementAndGet();
        times.incrementAndGet(at);
        if (left.decrementAndGet() == 0) over(firstNs, count, early.get(), times);
      }, dueNs - System.nanoTime(), TimeUnit.NANOSECONDS);
    }
    if (System.nanoTime() > firstNs) {
      System.err.println("the timers were not made before the first was due");
      Runtime.getRuntime().halt(1);
    }
    Thread.sleep(120_000);
    Peer.fail(left.get());
  }

  private static void over(long firstNs, int count, int early, AtomicIntegerArray times) {
    double totalMs = (System.nanoTime() - firstNs) / 1e6;
    int wrong = early;
    for (int i = 0; i < count; i++) if (times.get(i) != 1) wrong++;
    Peer.fail(wrong);
    System.out.printf("{\"totalMs\":%.3f,\"ran\":%d,\"verified\":true}%n", totalMs, count);
    System.out.flush();
    Runtime.getRuntime().halt(0);
  }
}
