/**
 * Fast delivery: an I/O task, a CPU task and an I/O task in one thread, the reference for what more threads bring. What
 * arrives is written once, into a lane of the thread to itself; the CPU task changes it where it lies, and the
 * connection takes it from there.
 */
import { connect } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import { createRuntime, type Connection, type Reactor } from 'percore';

interface Services { calls: { listen(): number } }

export default function start(reactor: Reactor<Services>): void {
  const work = reactor.address('work', { reactor: reactor.id, priority: 4 });
  let connection: Connection;

  /** I/O in: one copy into the lane. An empty record stands for the end of what comes. */
  function take(bytes: Uint8Array): void {
    const at = work.tryClaim(bytes.length);
    if (at >= 0) {
      work.bytes.set(bytes, at);
      return work.commit(bytes.length);
    }
    // Full. The bytes are valid during this call only, so keep a copy, and read no more until there is room.
    const rest = bytes.slice();
    connection.pause();
    work.whenRoom(() => {
      take(rest);
      connection.resume();
    });
  }

  /** CPU: letters become capitals, in place. Then I/O out: the step answers what the connection has answered. */
  reactor.spawnBytes({ name: 'work', priority: 4 }, ({ bytes, offset, length }) => {
    if (length === 0) return connection.end();
    for (let i = offset; i < offset + length; i++) if (bytes[i]! >= 97 && bytes[i]! <= 122) bytes[i]! -= 32;
    // BACK_PRESSURED: the record stays where it lies, and this step runs again when the connection has room.
    return connection.offer(bytes.subarray(offset, offset + length));
  });

  reactor.handle('listen', () => reactor.io.listen({ port: 0 }, (accepted) => {
    connection = accepted;
    connection.onData(take);
    connection.onEnd(() => take(new Uint8Array(0)));
  }).port);
}

if (isMainThread) {
  await using runtime = await createRuntime<Services>({ entry: new URL(import.meta.url), reactors: 1 });
  const text = 'hello '.repeat(350_000);
  const socket = connect(await runtime.call('listen'), '127.0.0.1').setEncoding('utf8');
  const startMs = performance.now();
  socket.end(text);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  const megabytes = answer.length / 1000 / (performance.now() - startMs);
  console.log(`${answer.length} bytes, ${answer === text.toUpperCase() ? 'all in capitals' : 'BUT NOT THE SAME'}`);
  console.log(`${megabytes.toFixed(0)} MB/s through one thread`);
}
