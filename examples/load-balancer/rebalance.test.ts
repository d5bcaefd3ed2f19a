/** Keys that all belong to one reactor at first, on a program that moves them while it works. */
import { bucketOf, hashKey } from 'percore';
import { afterEach, describe, expect, it } from 'vitest';
import { Job, Peer, endAll, isWhole, reader, until } from './fixtures/job.js';

const KEYS = 16;
const LINES = 40_000;
afterEach(endAll);

describe('load balancer with --rebalance', () => {
  it('moves keys with their counts, keeps the order of each, and loses nothing', async () => {
    const keys = Array.from({ length: 1000 }, (_, i) => `key${i}`).filter(
      (key) => bucketOf(hashKey(Buffer.from(key))) % 2 === 0,
    ).slice(0, KEYS);
    const job = await Job.start('--rebalance', '--reactors', '2', '--work-us', '20', '--idle', 'park');
    const output = await reader(job);
    const input = new Peer(job.input);
    const before = output.lines.length;
    input.socket.write(Array.from({ length: LINES }, (_, i) => `3 ${keys[i % KEYS]} ${i}\n`).join(''));
    await until(
      () => output.lineCount >= before + LINES, () => `${output.lineCount} of ${LINES} results came`, 60_000,
    );
    const next = new Map<string, number>();
    const owners = new Set<string>();
    let wrong = 0;
    for (const line of output.lines) {
      const [, owner, , key, count] = line.split(' ');
      if (key === 'feeler') continue;
      if (Number(count) !== (next.get(key!) ?? 0) + 1) wrong++;
      next.set(key!, Number(count));
      owners.add(owner!);
    }
    expect(wrong, 'results out of the order of their key').toBe(0);
    expect([...next.values()]).toEqual(keys.map(() => LINES / KEYS));
    expect([...owners].toSorted()).toEqual(['0', '1']);
    const { code, report } = await job.stop();
    expect(code).toBe(0);
    expect(isWhole(report), JSON.stringify(report)).toBe(true);
    expect(report.dropped).toBe(0);
    expect(report.buckets!.moved).toBeGreaterThan(0);
  }, 90_000);
});
