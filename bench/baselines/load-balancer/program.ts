/**
 * What the three baseline programs have in common: the two ports of examples/load-balancer, served by node:net, the
 * same line splitter, and the same way to end. In between there is an engine, in which the programs differ.
 *
 *     INPUT --node:net--> LineSplitter --line()--> engine --emit()--> OUTPUT, every reader
 *
 * Each program holds its inputs back while its engine or an output has too much under way. Otherwise the programs with
 * workers would take all input at once, and the bench would measure how their queues grow.
 *
 * Usage: `node single-thread.js --port N --output-port N [--work-us N]`; with 0 it chooses free ports. Prints
 * `listening input=… output=…`. Ends on SIGTERM or SIGINT, after everything that it has read was processed and written.
 */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { parseArgs } from 'node:util';
import { workSteps } from '../../../examples/load-balancer/arithmetic.js';
import { LineSplitter } from '../../../examples/load-balancer/line-splitter.js';

export interface Engine {
  /** Takes a line. The bytes are valid only during the call. */
  line(
    bytes: Uint8Array, band: number, keyStart: number, keyEnd: number, payloadStart: number, payloadEnd: number,
    seq: number,
  ): void;
  /** Called when all lines of one read have been given to `line`. */
  endOfRead(): void;
  /** True while so much is under way that no more should be read. */
  isFull(): boolean;
  /** True if the results of all lines have been emitted. */
  isIdle(): boolean;
  close(): Promise<unknown>;
}

export interface Outlet {
  /** Writes result lines to every output. The bytes belong to the outputs from now on. */
  emit(results: Uint8Array): void;
  /** Called when the engine has less under way than before. */
  progressed(): void;
}

/** When an output leaves so many bytes unread, the inputs are held back. */
const OUTPUT_BYTES = 1 << 20;
const HOST = '127.0.0.1';

const { values } = parseArgs({
  options: {
    'port': { type: 'string', default: '7411' }, 'output-port': { type: 'string', default: '7412' },
    'work-us': { type: 'string', default: '0' },
  },
});

/** How many microseconds of arithmetic are done for each line. */
export const steps = workSteps(Number(values['work-us']));

export async function serve(makeEngine: (outlet: Outlet) => Engine): Promise<void> {
  const inputs = new Set<Socket>();
  const outputs = new Set<Socket>();
  let isHeld = false;
  let isStopping = false;
  let whenIdle: (() => void) | undefined;

  const isFull = (): boolean => {
    if (engine.isFull()) return true;
    for (const output of outputs) if (output.writableLength > OUTPUT_BYTES) return true;
    return false;
  };
  const holdOrRelease = (): void => {
    if (engine.isIdle()) whenIdle?.();
    if (isStopping || isFull() === isHeld) return;
    isHeld = !isHeld;
    for (const input of inputs) {
      if (isHeld) input.pause();
      else input.resume();
    }
  };
  const engine = makeEngine({
    emit: (results) => {
      for (const output of outputs) output.write(results);
    },
    progressed: holdOrRelease,
  });

  const inputServer = createServer({ noDelay: true }, (socket) => {
    const splitter = new LineSplitter({
      line(bytes, _lineStart, _lineEnd, band, keyStart, keyEnd, payloadStart, payloadEnd, seq) {
        engine.line(bytes, band, keyStart, keyEnd, payloadStart, payloadEnd, seq);
        return true;
      },
      rejected: (seq, reason) => void socket.write(`ERR ${seq} ${reason}\n`),
    });
    inputs.add(socket);
    socket.on('data', (chunk) => {
      splitter.push(chunk as Buffer, 0, chunk.length);
      engine.endOfRead();
      holdOrRelease();
    });
    socket.on('close', () => {
      inputs.delete(socket);
      splitter.end();
    });
    // A reset is an end like any other; 'close' follows.
    socket.on('error', () => undefined);
    if (isHeld) socket.pause();
  });
  const outputServer = createServer({ noDelay: true }, (socket) => {
    outputs.add(socket);
    socket.resume();
    socket.on('drain', holdOrRelease);
    socket.on('close', () => {
      outputs.delete(socket);
      holdOrRelease();
    });
    socket.on('error', () => undefined);
  });

  const ports = [
    await listen(inputServer, Number(values.port)), await listen(outputServer, Number(values['output-port'])),
  ];
  process.stdout.write(`listening input=${HOST}:${ports[0]} output=${HOST}:${ports[1]}\n`);
  await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  isStopping = true;
  for (const input of inputs) input.destroy();
  if (!engine.isIdle()) await new Promise<void>((resolve) => { whenIdle = resolve; });
  await Promise.all(
    [...outputs].map((output) => new Promise<void>((resolve) => output.end(resolve).once('close', resolve))),
  );
  for (const output of outputs) output.destroy();
  inputServer.close();
  outputServer.close();
  await engine.close();
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, HOST);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/**
 * The two workers of the programs that have them. They own the same buckets as the reactors of the runtime: the low ten
 * bits of the hash, dealt out in turn.
 */
export const WORKERS = 2;
export const ownerOfHash = (hash: number): number => (hash & 1023) % WORKERS;
