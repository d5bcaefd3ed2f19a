/** A level that goes to sleep while it is sent something: no wake may get lost on the way. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FaultLibrary } from '../io/fixtures/fault-library.js';

const RUNS = 100;
const program = fileURLToPath(new URL('./fixtures/woken.js', import.meta.url));
let library: FaultLibrary;
beforeAll(() => { library = new FaultLibrary(); });
afterAll(() => library.remove());

describe('a level on its way to its sleep', () => {
  // One call silences what has woken it and the other sleeps. Before each of them there is time for a spawn.
  it.each(['read', 'ppoll'])('hears of what comes just before its %s', async (call) => {
    const weather = library.weather();
    weather.begin(`${call}:LATE:1+`);
    const { stdout } = await promisify(execFile)(process.execPath, [program, String(RUNS)], {
      env: weather.env, timeout: 60_000,
    });
    expect(JSON.parse(stdout)).toEqual({ run: RUNS });
    expect(weather.faults, 'there were pauses at all').toBeGreaterThan(RUNS / 4);
  });
});
