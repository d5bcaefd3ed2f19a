/**
 * The client in a reactor: commands in one round trip, an error as an exception, a message over a channel.
 *
 *     node dist/examples/resp/main.js &
 *     node dist/examples/resp/client-example.js 6380
 */
import { isMainThread } from 'node:worker_threads';
import { createRuntime, type Reactor } from 'percore';
import { RespClient, RespError } from './client.js';

type Services = { talk(port: number): Promise<string[]> };

export default function start(reactor: Reactor<{ calls: Services }>): void {
  reactor.handle('talk', async (port) => {
    const said: string[] = [];
    const client = await RespClient.connect(reactor.io, { port });
    const replies = await Promise.all([
      client.command('SET', 'greeting', 'hello'), client.command('GET', 'greeting'), client.command('DEL', 'visits'),
      client.command('INCR', 'visits'),
    ]);
    said.push(`replies: ${replies.join(', ')}`);
    await client.command('LPUSH', 'greeting', 'x').catch((error: RespError) => said.push(`an error: ${error.code}`));

    const listener = await RespClient.connect(reactor.io, { port });
    const heard = new Promise<string>(
      (resolve) => void listener.subscribe('news', resolve).then(() => client.command('PUBLISH', 'news', 'it works')),
    );
    said.push(`heard: ${await heard}`);
    await Promise.all([client.close(), listener.close()]);
    return said;
  });
}

if (isMainThread) {
  const runtime = await createRuntime<{ calls: Services }>({ entry: new URL(import.meta.url), reactors: 1 });
  for (const line of await runtime.call('talk', Number(process.argv[2] ?? 6380), { timeoutMs: 10_000 })) {
    console.log(line);
  }
  await runtime.close();
}
