/** Of 25-machines: a broker to try it with, NATS with JetStream. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

/** The broker that was named, or a fresh one that stores into a temporary folder. */
export async function findBroker(given: string | undefined): Promise<AsyncDisposable & { readonly servers: string }> {
  if (given !== undefined) return { servers: given, [Symbol.asyncDispose]: () => Promise.resolve() };
  const folder = mkdtempSync(join(tmpdir(), 'percore-machines-'));
  const port = await new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = server.address() as AddressInfo;
      server.close(() => resolve(free));
    });
  });
  const path = `${process.env.PATH}:/usr/sbin`;
  const child = spawn('nats-server', ['--jetstream', '-a', '127.0.0.1', '-p', `${port}`, '-sd', folder], {
    stdio: 'ignore', env: { ...process.env, PATH: path },
  });
  const ended = new Promise<void>((resolve, reject) => child.once('exit', () => resolve()).once('error', reject));
  ended.catch(() => console.error('there is no nats-server: apt-get install nats-server, or name the address of one'));
  const isThere = (): Promise<boolean> => new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1').once('error', () => resolve(false)).once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
  while (!await isThere()) await Promise.race([pause(), ended]);
  return {
    servers: `nats://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
