/** Baselines and contenders that are programs of their own: how they are built, and run to their end or until told. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { CheckFailed } from './harness.js';
import { rootUrl } from './context.js';

export type BaselineProgram =
  | 'ring_round_trip'
  | 'eventfd_round_trip'
  | 'load_client'
  | 'queue_throughput'
  | 'spin_deadlines'
  | 'random_access'
  | 'epoll_server'
  | 'epoll_datagram_server'
  | 'tcp_client'
  | 'stream_client'
  | 'datagram_client'
  | 'accept_client'
  | 'idle_client';

let built: Promise<Record<BaselineProgram, string>> | undefined;

/**
 * The path of a plain C or C++ program in bench/baselines, which is compiled if necessary. The build.mjs of that folder
 * is not part of dist/.
 */
export async function baselineProgram(name: BaselineProgram): Promise<string> {
  built ??= import(new URL('bench/baselines/build.mjs', rootUrl).href).then((module) => module.buildBaselines());
  return (await built)[name];
}

/**
 * Runs a program to its end and returns the JSON object in the last line of its stdout. If the program ends in any
 * other way, that is a failed check.
 */
export async function runProgram(
  command: string,
  args: readonly (string | number)[],
  timeoutMs = 120_000,
): Promise<Record<string, unknown>> {
  const child = spawn(command, args.map(String), { stdio: ['ignore', 'pipe', 'pipe'] });
  const text = collect(child);
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  const [code, signal] = await once(child, 'close');
  clearTimeout(timer);
  const what = `${command.split('/').at(-1)} ${args.join(' ')}`;
  if (code !== 0) {
    throw new CheckFailed(
      `${what} ended with ${signal ?? `exit code ${code}`}: ${text.stderr.trim() || text.stdout.trim()}`,
    );
  }
  return parseLast(text.stdout, what);
}

/** The JSON object in the last line of `text`. */
export function parseLast(text: string, what: string): Record<string, unknown> {
  const last = text.trim().split('\n').at(-1) ?? '';
  try {
    return JSON.parse(last) as Record<string, unknown>;
  } catch (cause) {
    throw new CheckFailed(`${what} printed no JSON object at its end but "${last.slice(0, 200)}"`, { cause });
  }
}

/** What a child process has printed so far. */
export function collect(child: ChildProcess): { stdout: string; stderr: string } {
  const text = { stdout: '', stderr: '' };
  child.stdout!.setEncoding('utf8').on('data', (chunk: string) => { text.stdout += chunk; });
  child.stderr!.setEncoding('utf8').on('data', (chunk: string) => { text.stderr += chunk; });
  return text;
}
