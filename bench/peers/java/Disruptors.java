import com.lmax.disruptor.BatchEventProcessor;
import com.lmax.disruptor.BlockingWaitStrategy;
import com.lmax.disruptor.BusySpinWaitStrategy;
import com.lmax.disruptor.EventPoller;
import com.lmax.disruptor.RingBuffer;
import com.lmax.disruptor.WaitStrategy;
import com.lmax.disruptor.YieldingWaitStrategy;
import com.lmax.disruptor.dsl.ProducerType;

/**
 * Peers `disruptor …`: a ring of events that are allocated once, and one BatchEventProcessor, which waits by the
 * strategy in the name of the peer. `batch` claims and publishes 64 at a time, as the guide describes. Two readers are
 * two processors, each in a thread of its own on the second CPU, or two pollers in one thread there.
 */
public final class Disruptors {
  private static RingBuffer<Peer.Message> ring(Peer peer) {
    WaitStrategy wait = peer.queue.contains("yielding") ? new YieldingWaitStrategy()
        : peer.queue.contains("blocking") ? new BlockingWaitStrategy() : new BusySpinWaitStrategy();
    ProducerType type = peer.producers > 1 || peer.queue.contains("multi") ? ProducerType.MULTI : ProducerType.SINGLE;
    return RingBuffer.create(type, peer::newMessage, peer.capacity, wait);
  }

  public static void main(String[] args) {
    Peer peer = new Peer(args);
    if (peer.pattern.equals("round-trip") || peer.pattern.equals("wake")) trip(peer);
    else if (peer.pattern.equals("broadcast")) broadcast(peer);
    else race(peer);
  }

  private static void race(Peer peer) {
    RingBuffer<Peer.Message> ring = ring(peer);
    BatchEventProcessor<Peer.Message> processor = new BatchEventProcessor<>(ring, ring.newBarrier(),
        (message, sequence, isLast) -> peer.take(message));
    ring.addGatingSequences(processor.getSequence());
    Thread consuming = new Thread(() -> {
      Peer.pin(peer.cpuB);
      peer.begin();
      processor.run();
    });
    consuming.start();
    int batch = peer.batch;
    Thread[] producing = peer.produce(peer.pattern.equals("batch") ? (first, part) -> {
      for (int i = 0; i < Peer.SLICE; i += batch) {
        long high = ring.next(batch), low = high - batch + 1;
        for (int j = 0; j < batch; j++) ring.get(low + j).write(first + i + j, part);
        ring.publish(low, high);
      }
    } : (first, part) -> {
      for (int i = 0; i < Peer.SLICE; i++) {
        long at = ring.next();
        ring.get(at).write(first + i, part);
        ring.publish(at);
      }
    });
    try {
      for (Thread thread : producing) thread.join();
      while (processor.getSequence().get() < ring.getCursor()) Thread.sleep(1);
      processor.halt();
      consuming.join();
    } catch (InterruptedException error) {
      throw new IllegalStateException(error);
    }
    if (!peer.isOver()) Peer.fail(1);
    peer.end();
  }

  /** The first reader keeps the time, the second one counts the right messages, and both must have seen everything. */
  private static void broadcast(Peer peer) {
    RingBuffer<Peer.Message> ring = ring(peer);
    int[] due = new int[1];
    boolean isPolling = peer.queue.contains("pollers");
    Runnable first, second;
    if (isPolling) {
      EventPoller<Peer.Message> one = ring.newPoller(), other = ring.newPoller();
      ring.addGatingSequences(one.getSequence(), other.getSequence());
      EventPoller.Handler<Peer.Message> take = (message, sequence, isLast) -> {
        peer.take(message);
        return true;
      };
      EventPoller.Handler<Peer.Message> check = (message, sequence, isLast) -> isDue(message, due);
      first = () -> {
        try {
          for (boolean isIdle = false; !isIdle || !peer.isOver() || due[0] != (int) peer.sent.get();) {
            isIdle = one.poll(take) != EventPoller.PollState.PROCESSING;
            isIdle &= other.poll(check) != EventPoller.PollState.PROCESSING;
            if (isIdle) Thread.onSpinWait();
          }
        } catch (Exception error) {
          throw new IllegalStateException(error);
        }
      };
      second = () -> { };
    } else {
      BatchEventProcessor<Peer.Message> one = new BatchEventProcessor<>(ring, ring.newBarrier(),
          (message, sequence, isLast) -> peer.take(message));
      BatchEventProcessor<Peer.Message> other = new BatchEventProcessor<>(ring, ring.newBarrier(),
          (message, sequence, isLast) -> isDue(message, due));
      ring.addGatingSequences(one.getSequence(), other.getSequence());
      first = one;
      second = other;
      new Thread(() -> {
        while (peer.over.get() == 0 || one.getSequence().get() < ring.getCursor()
            || other.getSequence().get() < ring.getCursor()) Peer.sleep(1);
        one.halt();
        other.halt();
      }).start();
    }
    peer.begin();
    Thread[] reading = {reader(peer, first), reader(peer, second)};
    Thread[] producing = peer.produce((from, part) -> {
      for (int i = 0; i < Peer.SLICE; i++) {
        long at = ring.next();
        ring.get(at).write(from + i, part);
        ring.publish(at);
      }
    });
    try {
      for (Thread thread : producing) thread.join();
      for (Thread thread : reading) thread.join();
    } catch (InterruptedException error) {
      throw new IllegalStateException(error);
    }
    if (!peer.isOver() || due[0] != (int) peer.sent.get()) Peer.fail(1);
    peer.end();
  }

  private static Thread reader(Peer peer, Runnable reading) {
    Thread thread = new Thread(() -> {
      Peer.pin(peer.cpuB);
      reading.run();
    });
    thread.start();
    return thread;
  }

  /** Ends everything if the second reader gets another message than the one that is due. */
  private static boolean isDue(Peer.Message message, int[] due) {
    if (message.sequence != due[0] || message.mark != (due[0] ^ Peer.SALT)) Peer.fail(1);
    due[0]++;
    return true;
  }

  private static void trip(Peer peer) {
    RingBuffer<Peer.Message> questions = ring(peer), answers = ring(peer);
    BatchEventProcessor<Peer.Message> answering = new BatchEventProcessor<>(questions, questions.newBarrier(),
        (message, sequence, isLast) -> say(answers, ~message.sequence));
    questions.addGatingSequences(answering.getSequence());
    com.lmax.disruptor.SequenceBarrier heard = answers.newBarrier();
    com.lmax.disruptor.Sequence read = new com.lmax.disruptor.Sequence();
    answers.addGatingSequences(read);
    new Thread(() -> {
      Peer.pin(peer.cpuB);
      answering.run();
    }).start();
    Peer.pin(peer.cpuA);
    peer.trip((word) -> {
      say(questions, word);
      long at = read.get() + 1;
      try {
        heard.waitFor(at);
      } catch (Exception error) {
        throw new IllegalStateException(error);
      }
      int answer = answers.get(at).sequence;
      read.set(at);
      return answer;
    });
  }

  private static void say(RingBuffer<Peer.Message> ring, int word) {
    long at = ring.next();
    ring.get(at).sequence = word;
    ring.publish(at);
  }
}
