/** RTLinux's sampler: a task reads a signal each 500 µs into a real-time FIFO, and `cat` logs it, at its own pace. */
import { spawn as start } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { isMainThread } from 'node:worker_threads';
import { struct } from 'percore/queues';
import {
  createRealtimeFifo, defineApp, fifoToPipe, implementApp, openRealtimeFifo, realtimeFifoStatus, startApp, takes,
  type RealtimeFifo, type RealtimeFifoWriter,
} from 'percore/realtime';

const PERIOD_NS = 500_000;
const SAMPLES = 400;
const sampleCodec = struct({ atNs: 'f64', value: 'f64' });
type Fields = typeof sampleCodec.fields;

const app = defineApp({
  cores: [{}],
  tasks: { sample: { priority: 9, schedules: ['sample'], takes: takes<number>() } },
  main: { schedules: ['sample'] },
});

let writer: RealtimeFifoWriter<Fields> | undefined;

export default implementApp(app, {
  tasks: {
    sample({ schedule, scheduledNs, data }, left) {
      writer ??= openRealtimeFifo(data as RealtimeFifo<Fields>);
      writer.write({ atNs: scheduledNs, value: Math.sin(scheduledNs / 1e7) });      // never waits
      if (left > 1) schedule('sample', scheduledNs + PERIOD_NS, left - 1);
      else writer.close();
    },
  },
});

if (isMainThread) {
  const folder = mkdtempSync(join(tmpdir(), 'sampler-'));
  const path = join(folder, 'samples');
  const samples = createRealtimeFifo({ capacity: 1024, codec: sampleCodec });
  const running = await startApp(app, { entry: new URL(import.meta.url), data: samples });
  running.schedule('sample', running.nowNs() + PERIOD_NS, SAMPLES);
  const carried = fifoToPipe(samples, { path, format: ({ atNs, value }) => `${atNs} ${value.toFixed(3)}` });
  const cat = start('cat', [path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [logged] = await Promise.all([text(cat.stdout), carried, once(cat, 'close')]);
  const times = logged.trim().split('\n').map((line) => Number(line.split(' ')[0]));
  const isEven = times.every((time, i) => i === 0 || time - times[i - 1]! === PERIOD_NS);
  console.log(`cat has logged ${times.length} samples, ${isEven ? 'each' : 'not each'} 500 µs after the one before`);
  const [level] = running.status().levels;
  console.log(level?.fifoGranted === 1 ? 'at SCHED_FIFO 1' : 'at no real-time priority: it was not granted');
  console.log(`${realtimeFifoStatus(samples).dropped} dropped`);
  await running.close();
  rmSync(folder, { recursive: true });
}
