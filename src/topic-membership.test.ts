import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { PATTERNS_BYTES, topicMemberLayout, topicMemberOffset } from './layout.js';
import { TopicMembership, createTopics } from './topic-membership.js';

const two = () => {
  const memory = createTopics(3);
  return { memory, one: new TopicMembership(memory, 0), other: new TopicMembership(memory, 1) };
};

describe('who subscribes to what', () => {
  it('is seen by others as it was last written, and is not read again while nothing changes', () => {
    const { one, other } = two();
    const before = other.changes();
    one.write(['prices.*', 'a', '', 'é𝄞x']);
    expect(other.changes()).not.toBe(before);
    expect(other.of(0).patterns).toEqual(['prices.*', 'a', '', 'é𝄞x']);
    expect(other.of(0)).toBe(other.of(0));
    one.write([]);
    expect(other.of(0).patterns).toEqual([]);
    expect([other.of(1).patterns, other.of(2).patterns]).toEqual([[], []]);
  });

  it('still works after the count of its changes has wrapped', () => {
    const { memory, one, other } = two();
    const words = new Int32Array(memory);
    words[(topicMemberOffset(0) + topicMemberLayout.fields.state.at) >> 2] = 2 ** 31 - 2;
    for (const text of ['a', 'b', 'c', 'd']) {
      one.write([text]);
      expect(other.of(0).patterns).toEqual([text]);
    }
  });

  it('is empty for a new thread, which has a new generation and retains nothing', () => {
    const { one, other } = two();
    one.write(['a']);
    one.retain(2);
    const { generation } = other.of(0);
    expect(other.retaining(0)).toBe(2);
    one.begin();
    expect(other.of(0)).toMatchObject({ patterns: [] });
    expect([other.of(0).generation === generation, other.retaining(0)]).toEqual([false, 0]);
  });

  it('has a limit, and patterns beyond it are refused and change nothing', () => {
    const { one, other } = two();
    const most = Array.from({ length: PATTERNS_BYTES / (4 + 512) - 1 }, (_, i) => `${i}`.padEnd(256, 'x'));
    one.write(most);
    expect(other.of(0).patterns).toEqual(most);
    expect(() => one.write([...most, ...most])).toThrow(expect.objectContaining({ code: 'ERR_PERCORE_NO_PLACE' }));
    expect(other.of(0).patterns).toEqual(most);
  });

  it('is never seen half written, however often it changes meanwhile', async () => {
    const memory = createTopics(2);
    const worker = new Worker(
      `const { workerData, parentPort } = require('node:worker_threads');
       import(workerData.module).then(({ TopicMembership }) => {
         const one = new TopicMembership(workerData.memory, 0);
         const until = performance.now() + 300;
         let n = 0;
         for (; performance.now() < until; n++) {
           one.write(Array.from({ length: n % 50 }, () => String(n % 1000).padEnd(n % 20, '.')));
         }
         parentPort.postMessage(n);
       });`,
      { eval: true, workerData: { memory, module: new URL('./topic-membership.js', import.meta.url).href } },
    );
    let writes: number | undefined;
    worker.once('message', (count: number) => (writes = count));
    const one = new TopicMembership(memory, 1);
    let reads = 0;
    while (writes === undefined) {
      for (let i = 0; i < 1000; i++, reads++) {
        const { patterns } = one.of(0);
        if (new Set(patterns).size > 1) throw new Error(`half of one, half of another: ${patterns.join()}`);
        const n = patterns.length === 0 ? 0 : parseInt(patterns[0]!);
        if (n % 50 !== patterns.length) throw new Error(`${patterns.length} patterns of ${patterns[0]}`);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(writes).toBeGreaterThan(100);
    await worker.terminate();
  });
});
