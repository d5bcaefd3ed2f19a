import { createServer } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { descriptors, inside, remoteRuntime, until } from '../reactor/fixtures/inside.js';
import { controllerOf, type Runtime } from '../reactor/runtime.js';

let runtime: Runtime;
beforeEach(async () => {
  runtime = await remoteRuntime(2);
  runtime.on('reactorDied', () => undefined);
});
afterEach(() => runtime.close());

/** Starts Node's http server in a reactor, on a descriptor of ours. Returns its port. It answers the reactor's id. */
const serve = (id: number, port: number): Promise<number> =>
  inside(
    runtime,
    id,
    async (reactor, shared: number, { require, state }) => {
      const { createServer: createHttp } = require('node:http') as typeof import('node:http');
      const bound = reactor.io.listenFd({ port: shared });
      state['bound'] = bound;
      state['server'] = createHttp(
        (_request, response) => void response.setHeader('connection', 'close').end(`${reactor.id}`),
      );
      await new Promise<void>(
        (resolve, reject) => void state['server'].once('error', reject).listen({ fd: bound.fd }, resolve),
      );
      if (state['server'].address().port !== bound.port) throw new Error('another port');
      return bound.port;
    },
    port,
  );

const answers = async (port: number, count: number): Promise<string[]> => {
  const all: string[] = [];
  for (let i = 0; i < count; i++) all.push(await (await fetch(`http://127.0.0.1:${port}/`)).text());
  return all;
};

describe('listenFd', () => {
  it("gives each reactor's own http server the same port, and each gets connections", async () => {
    const port = await serve(0, 0);
    expect(await serve(1, port)).toBe(port);
    // 64 connections all on one side of a fair hash: one in 2^63.
    expect(new Set(await answers(port, 64))).toEqual(new Set(['0', '1']));
  });

  it("belongs to Node from listen() on: server.close() closes it once, and not its number's next owner", async () => {
    const port = await serve(0, 0);
    await serve(1, port);
    const outcome = await inside(runtime, 0, async (reactor, _argument, { state, require }) => {
      const { fstatSync, readlinkSync } = require('node:fs') as typeof import('node:fs');
      const { bound, server } = state as {
        bound: { fd: number; close(): boolean };
        server: import('node:http').Server;
      };
      const whileListening = bound.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      // Another socket takes the number that was given back; the lowest free one is used first.
      const others = [];
      do others.push(reactor.io.listenFd({ port: 0 }));
      while (others.at(-1)!.fd !== bound.fd && others.length < 64);
      const link = readlinkSync(`/proc/self/fd/${bound.fd}`);
      const afterReuse = bound.close();
      const isSame = readlinkSync(`/proc/self/fd/${bound.fd}`) === link && fstatSync(bound.fd).isSocket();
      const closed = others.map((other) => other.close());
      return {
        whileListening, isReused: others.at(-1)!.fd === bound.fd, afterReuse, isSame,
        closed: new Set(closed).size === 1 && closed[0],
      };
    });
    expect(outcome).toEqual({ whileListening: false, isReused: true, afterReuse: false, isSame: true, closed: true });
    expect(new Set(await answers(port, 20)), 'the other reactor has all of them').toEqual(new Set(['1']));
  });

  it('on which nobody listens gets no connection, and is closed by close(), or with its reactor', async () => {
    const before = descriptors().length;
    const port = await serve(0, 0);
    await inside(runtime, 1, (reactor, shared: number, { state }) => {
      state['idle'] = [reactor.io.listenFd({ port: shared }), reactor.io.listenFd({ port: shared })];
    }, port);
    expect(new Set(await answers(port, 20))).toEqual(new Set(['0']));
    expect(
      await inside(runtime, 1, (_reactor, _argument, { state }) => [
        state['idle'][0].close(), state['idle'][0].close(),
      ]),
    ).toEqual([true, false]);
    await controllerOf(runtime).members[1]!.worker.terminate();
    await inside(runtime, 0, (_reactor, _argument, { state }) => {
      state['server'].closeAllConnections();
      state['server'].close();
    });
    await until(() => descriptors().length <= before, 'no descriptor left');
  });

  it('of a reactor that is terminated while its server listens leaves no listener behind', async () => {
    const port = await serve(0, 0);
    await serve(1, port);
    await controllerOf(runtime).members[1]!.worker.terminate();
    expect(new Set(await answers(port, 30))).toEqual(new Set(['0']));
  });

  it('on a port that somebody does not share is ERR_PERCORE_ADDRESS_IN_USE; wrong arguments are named', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const port = (server.address() as { port: number }).port;
    await expect(
      inside(runtime, 0, (reactor, taken: number) => reactor.io.listenFd({ port: taken }).port, port),
    ).rejects.toMatchObject({ code: 'ERR_PERCORE_ADDRESS_IN_USE' });
    server.close();
    await expect(inside(runtime, 0, (reactor) => reactor.io.listenFd({ port: -1 }).port)).rejects.toMatchObject({
      message: expect.stringContaining('port must be a whole number'),
    });
    await expect(
      inside(runtime, 0, (reactor) => reactor.io.listenFd({ port: 0, host: 'nonsense' }).port),
    ).rejects.toMatchObject({
      code: 'ERR_PERCORE_INVALID_ARGUMENT', message: expect.stringContaining('dns.promises.lookup("nonsense")'),
    });
  });
});
