import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { descriptors, inside, remoteRuntime, sleep, until } from '../reactor/fixtures/inside.js';
import { controllerOf, type Runtime } from '../reactor/runtime.js';
import { sources } from './fixtures/sources.js';

const isStress = process.env['PERCORE_STRESS'] === '1';
const KILLS = isStress ? 100 : 3;
const PER_SECOND = 200;
/**
 * A connection that has neither an answer nor an end after this time counts as hanging. It is more than a second,
 * because the kernel sends a SYN that the killed listener had once more after a second, and that one is answered.
 */
const HANGS_MS = 1500;

/** Opens connections at a steady rate. Each asks once, and is over when an answer, an end or an error comes. */
class Load {
  readonly tries: { beganMs: number; overMs: number; how: string }[] = [];
  private readonly timer: NodeJS.Timeout;
  private readonly sockets = new Set<Socket>();

  constructor(private readonly port: number) {
    const startMs = performance.now();
    let begun = 0;
    this.timer = setInterval(() => {
      for (; begun < ((performance.now() - startMs) * PER_SECOND) / 1000; begun++) this.open();
    }, 1);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  destroy(): void {
    this.stop();
    for (const socket of this.sockets) socket.destroy();
  }

  private open(): void {
    const one = { beganMs: performance.now(), overMs: NaN, how: 'open' };
    const over = (how: string): void => {
      if (one.how !== 'open') return;
      one.how = how;
      one.overMs = performance.now();
      socket.destroy();
      this.sockets.delete(socket);
    };
    const socket = connect({ port: this.port, host: '127.0.0.1', noDelay: true });
    this.sockets.add(socket);
    this.tries.push(one);
    socket
      .on('connect', () => socket.write('ask'))
      .on('data', () => over('answered'))
      .on('end', () => over('end'))
      .on('error', (error: NodeJS.ErrnoException) => over(error.code ?? 'error'))
      .on('close', () => over('close'));
  }
}

const listen = (runtime: Runtime, port: number): Promise<number> =>
  inside(
    runtime,
    0,
    (reactor, shared: number) =>
      reactor.io.listen({ port: shared, reusePort: true }, (connection) => {
        connection.onData((bytes) => {
          connection.offer(bytes);
          connection.end();
        });
      }).port,
    port,
  );

for (const source of sources) {
  describe(`a listener's reactor on ${source} that is killed under ${PER_SECOND} connections a second`, () => {
    let survivor: Runtime;
    let load: Load | undefined;
    afterEach(async () => {
      load?.destroy();
      await survivor.close({ drainMs: 0 });
    });

    it(
      `${KILLS} times: no connection hangs for a second, new ones are served, no descriptor is left`,
      { timeout: 180_000 },
      async () => {
        const options = { pin: false, idle: { strategy: 'park' as const }, io: { source } };
        survivor = await remoteRuntime(1, options);
        const port = await listen(survivor, 0);
        // The first runtimes leave something open for good: modules, the pool of threads.
        for (let i = 0; i < 2; i++) await (await remoteRuntime(1, options)).close();
        const before = descriptors().length;
        load = new Load(port);
        await sleep(50);
        for (let kill = 0; kill < KILLS; kill++) {
          const victim = await remoteRuntime(1, options);
          victim.on('reactorDied', () => undefined);
          await listen(victim, port);
          await sleep(20 + Math.random() * 30);
          await controllerOf(victim).members[0]!.worker.terminate();
          // From here on nobody but the survivor listens.
          const at = load.tries.length;
          await until(
            () => load!.tries.slice(at).some(({ how }) => how === 'answered'),
            `a new connection is served after kill ${kill + 1}`, HANGS_MS,
          );
          await victim.close({ drainMs: 0 });
        }
        load.stop();
        await until(() => load!.tries.every(({ how }) => how !== 'open'), 'all are over', HANGS_MS).catch(
          () => undefined,
        );
        const { tries } = load;
        const hang = tries.filter(({ beganMs, overMs, how }) => how === 'open' || overMs - beganMs > HANGS_MS);
        expect(hang, `of ${tries.length}`).toEqual([]);
        const answered = tries.filter(({ how }) => how === 'answered').length;
        // A kill costs those that wait in the queue of the killed one: at most a few each.
        expect(tries.length - answered, `not served, of ${tries.length}`).toBeLessThan(KILLS * 10);
        await until(
          () => inside(survivor, 0, (reactor) => reactor.io.status().endpoints === 1), 'only the listener is open',
        );
        await until(() => descriptors().length <= before, `no descriptor left: ${before}`, 3000);
      },
    );
  });
}
