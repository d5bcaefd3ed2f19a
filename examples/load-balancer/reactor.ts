/**
 * Runs once in every reactor: reads its share of the inputs, works the lines of the keys it owns, serves its share of
 * the outputs.
 */
import {
  capabilities, createBuckets, createSteering, type Listener, type Reactor, type SteeredListenOptions,
} from 'percore';
import type { BrokerEnds, BrokerPlaces } from './broker.js';
import { JobCounters } from './counters.js';
import { Input, LineLanes, readConnection, type Feed } from './input.js';
import type { LineSplitterOptions } from './line-rules.js';
import { MOST_GATHERED_BYTES, Outputs } from './outputs.js';
import { startReading, type Reading } from './reading.js';
import { Worker, type WorkerOptions } from './worker.js';

export interface JobData extends WorkerOptions, LineSplitterOptions {
  readonly counters: SharedArrayBuffer;
  /** How many connections each reactor has: inputs are divided evenly, also where there are only a few. */
  readonly loads: SharedArrayBuffer;
  readonly host: string;
  readonly outputBacklogBytes: number;
  /** Which reactor dies, for trying out a death; -1 none. */
  readonly dies: number;
  /** Buckets move from busy reactors to idle ones. */
  readonly isRebalanced: boolean;
}

export interface Ports {
  readonly input: number | undefined;
  readonly output: number;
}

/** What the main thread may ask of each reactor. */
export type JobServices = {
  /** Opens the ports; 0 chooses free ones, which the answer names. `undefined`: no input port. */
  listen(ports: Ports): Ports;
  /**
   * Reads a file, or standard input (''), to its end. Resolves when all of it is in the lanes; rejects with why it
   * could not be read on.
   */
  read(path: string): Promise<void>;
  /** Reads lines from a stream of a broker, and publishes results to one. */
  connect(places: BrokerPlaces): Promise<void>;
  /** Rejects when nothing more can be read from the broker and acknowledged, with why. */
  brokerEnds(argument: null): Promise<void>;
  /** A reactor has died: nothing more will be acknowledged. */
  ownerDied(argument: null): void;
  /** Whether the broker has stored all results that were handed to it. */
  isAllStored(argument: null): boolean;
  /** Reads no more; resolves when what was read is in the lanes. */
  stopInput(argument: null): Promise<void>;
  /** Waits until the outputs that still read have everything, `waitMs` milliseconds at most. */
  finishOutputs(waitMs: number): Promise<void>;
};

/** Reading runs below urgent work and above bulk; outputs above everything, since results have waited already. */
const INPUT_BAND = 5;
const OUTPUT_BAND = 7;
/**
 * Urgent work may have to wait for a read of each connection: 1,000 lines take some 0.1 ms. With 16 KiB it was 30 µs,
 * but the job took 0.88 as many lines.
 */
const READ_BYTES = 65_536;
/** What a connection allows. */
const MOST_BACKLOG_BYTES = 2 ** 30;

export default function start(reactor: Reactor<{ calls: JobServices }>, data: JobData): void {
  const counters = Array.from(
    { length: reactor.reactors },
    (_, id) => new JobCounters(data.counters, reactor.reactors, id),
  );
  const own = counters[reactor.id]!;
  const lanes = new LineLanes(reactor, own);
  const worker = new Worker(reactor, counters, {
    workSteps: data.workSteps,
    dieAfter: data.dies === reactor.id ? data.dieAfter : Infinity,
  });
  const buckets = data.isRebalanced ? createBuckets(reactor, {
    name: 'lines',
    onBucketLeaves: (bucket) => worker.give(bucket),
    onBucketArrives: (_bucket, figures) => worker.receive(figures),
  }) : undefined;
  worker.buckets = buckets;
  const outputs = new Outputs(reactor, own);
  let broker: BrokerEnds | undefined;
  const inputs = new Set<Input>();
  const listeners: Listener[] = [];
  let stopReading: (() => void) | undefined;
  let whenStopped: (() => void) | undefined;

  const makeInput = (feed: Feed): Input => {
    const input = new Input(reactor, lanes, own, feed, data, buckets);
    inputs.add(input);
    return input;
  };
  const isDone = (input: Input): void => {
    inputs.delete(input);
    if (inputs.size === 0) whenStopped?.();
  };

  reactor.spawnBytes({ name: 'lines' }, worker.step);
  reactor.spawnBytes({ name: 'results' }, outputs.step);

  // Without the addon one reactor has all connections; the lines are worked by all reactors as ever.
  const { sharedPorts, handingOver } = capabilities().of;
  const isShared = sharedPorts.state !== 'missing';
  const isHandedOver = handingOver.state !== 'missing';
  const reading = { priority: INPUT_BAND, readBytes: READ_BYTES };
  // The kernel divides connections by a hash of their addresses, which is often three to one for four.
  const steering = createSteering(reactor, { name: 'inputs', loads: data.loads, ...reading }, (connection) => {
    // What is read after the stop would not be accepted.
    if (whenStopped !== undefined) return connection.close();
    const input = readConnection(connection, makeInput, () => isDone(input));
  });

  reactor.handle('listen', ({ input, output }) => {
    const { host } = data;
    const inputPort = input === undefined ? undefined : open(
      input, (options) => steering.listen(
        { ...options, ...reading, firstBytes: 0 }, () => (isHandedOver ? steering.leastLoaded() : undefined),
      ),
    );
    const highWaterBytes = Math.min(MOST_BACKLOG_BYTES, data.outputBacklogBytes + MOST_GATHERED_BYTES);
    const outputPort = open(output, (options) => reactor.io.listen(
      { ...options, priority: OUTPUT_BAND, highWaterBytes }, (connection) => outputs.add(connection),
    ));
    return { input: inputPort, output: outputPort };

    function open(port: number, listen: (options: SteeredListenOptions) => Listener): number {
      // Ports are shared between reactors; the first opens it alone for a moment, or another program of ours could be
      // sharing it.
      if (reactor.id === 0) {
        const probe = reactor.io.listen({ host, port }, () => undefined);
        port = probe.port;
        probe.close();
      }
      const listener = listen({ host, port, reusePort: isShared });
      listeners.push(listener);
      return listener.port;
    }
  });

  reactor.handle('read', (path) => new Promise<void>((resolve, reject) => {
    // Input may pause the reading only once it has been given bytes by it.
    let reading!: Reading;
    const input = makeInput({ pause: () => reading.pause(), resume: () => reading.resume(), reject: () => undefined });
    const end = (error?: Error): void => input.end(() => {
      isDone(input);
      if (error === undefined) resolve();
      else reject(error);
    });
    stopReading = () => {
      reading.stop();
      end();
    };
    try {
      reading = startReading(
        reactor.io,
        path,
        { priority: INPUT_BAND, readBytes: READ_BYTES },
        { onData: (bytes) => input.push(bytes), onEnd: end },
      );
    } catch (error) {
      stopReading = undefined;
      end(error as Error);
    }
  }));

  reactor.handle('connect', async (places) => {
    // Loaded by who wants it.
    const ends = (broker = new (await import('./broker.js')).BrokerEnds(reactor, counters));
    const makeInput = (feed: Feed): Input => new Input(reactor, lanes, own, feed, data, buckets);
    await ends.open(places, makeInput, () => outputs.addBroker(ends));
  });

  reactor.handle('brokerEnds', () => broker?.ended);
  reactor.handle('ownerDied', () => broker?.lose('a reactor has died, and its lines with it'));
  reactor.handle('isAllStored', () => broker?.isAllStored ?? true);

  reactor.handle('stopInput', () => Promise.resolve(broker?.stop()).then(() => new Promise<void>((resolve) => {
    for (const listener of listeners) listener.close();
    whenStopped = resolve;
    stopReading?.();
    for (const input of inputs) input.end(() => isDone(input));
    if (inputs.size === 0) resolve();
  })));

  reactor.handle('finishOutputs', async (waitMs) => {
    await Promise.all([outputs.finish(waitMs), broker?.close(waitMs)]);
  });
}
