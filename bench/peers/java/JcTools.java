import org.jctools.queues.MessagePassingQueue;
import org.jctools.queues.MpscArrayQueue;
import org.jctools.queues.SpscArrayQueue;

/**
 * Peer `jctools`: SpscArrayQueue, and MpscArrayQueue if there are several producers. These queues hold references. So
 * the messages come from a pool that is larger than the queue, with a part for each producer, and no message is
 * allocated.
 */
public final class JcTools {
  public static void main(String[] args) {
    Peer peer = new Peer(args);
    boolean isSingle = peer.producers == 1;
    MessagePassingQueue<Peer.Message> queue =
        isSingle ? new SpscArrayQueue<>(peer.capacity) : new MpscArrayQueue<>(peer.capacity);
    // A message is reused only after twice as many others as the queue holds have been accepted after it.
    int size = peer.capacity * 2, mask = size - 1;
    Peer.Message[][] pools = new Peer.Message[peer.producers][size];
    for (Peer.Message[] pool : pools) for (int at = 0; at < size; at++) pool[at] = peer.newMessage();
    Thread consuming = new Thread(() -> {
      Peer.pin(peer.cpuB);
      peer.begin();
      while (queue.drain(peer::take, 64) > 0 || !peer.isOver()) Thread.onSpinWait();
    });
    consuming.start();
    Thread[] producing = peer.produce((first, part) -> {
      for (int i = 0; i < Peer.SLICE; i++) {
        Peer.Message message = pools[part][(first + i) & mask];
        message.write(first + i, part);
        while (!queue.relaxedOffer(message)) if (isSingle) Thread.onSpinWait(); else Thread.yield();
      }
    });
    try {
      for (Thread thread : producing) thread.join();
      consuming.join();
    } catch (InterruptedException error) {
      throw new IllegalStateException(error);
    }
    peer.end();
  }
}
