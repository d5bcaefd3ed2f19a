/**
 * The servers of suite `io`. Each is a process of its own on the first CPU; a C client on the second CPU makes the
 * load.
 *
 *      bench ──spawns──> server A, B, C (all stay, one at a time is loaded, the others sleep) <──TCP, UDP── C client
 *
 * A server prints one line of JSON with its port when it listens, and ends when its stdin ends. So no server outlives a
 * bench that was killed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { twoCpus } from '../../cpus.js';
import { CheckFailed, sleep } from '../../harness.js';
import { baselineProgram, collect, runProgram, type BaselineProgram } from '../../programs.js';

/**
 * What a server does. echo: sends back what it reads. reply: answers each message of 64 bytes by a write of its own, as
 * a server of requests does. sink: reads, checks the first and last byte of each read, and answers the count at the
 * end. source: sends as many bytes as it is told, as often as it is told. datagram: sends each datagram back.
 */
export type Work = 'echo' | 'reply' | 'sink' | 'source' | 'datagram';
/** The source of a reactor's I/O. */
export type IoSource = 'epoll' | 'io_uring';

export interface ServerProgram<W extends string = Work> {
  /** The name: of a baseline exactly the one in the issue, of ours that of its source. */
  readonly name: string;
  command(work: W): Promise<readonly string[]>;
  /** Parses what it prints when it listens, if that is not the line of JSON; undefined until then. */
  ready?(stdout: string): Ready | undefined;
  /** Ends it, if it does not end with its stdin. */
  readonly endedBy?: 'SIGTERM';
}

/** `granted` is the source that a percore server got, and `why` says why it is not the one that it asked for. */
interface Ready {
  readonly port: number;
  readonly granted?: string;
  readonly why?: string;
}

export interface Server extends Ready {
  readonly name: string;
  readonly pid: number;
  /** How many percent of its core the C client used in each run. If that is near 100, the client limits the figure. */
  readonly clientCpuPercents: number[];
  /** For the open loop: how late messages were sent in each run, the 99th percentile in microseconds. */
  readonly sendLateUs: number[];
  /** Ends it, and throws CheckFailed if it did not end well. */
  stop(): Promise<void>;
}

const START_MS = 20_000;
const STOP_MS = 10_000;

export const serverCpu = (): number => twoCpus()[0];
export const clientCpu = (): number => twoCpus()[1];

const script = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const onServerCpu = (...command: string[]): string[] => ['taskset', '-c', String(serverCpu()), ...command];

export const percore = (source: IoSource, gatherNs = 0): ServerProgram => ({
  name: source,
  command: async (work) =>
    onServerCpu(process.execPath, script('percore-server.js'), work, source, String(gatherNs)),
});
export const nodeNet: ServerProgram = {
  name: 'node:net',
  command: async (work) => onServerCpu(process.execPath, script('node-net-server.js'), work),
};
/** A server that is corked while it answers the messages of one read. */
export const nodeNetCorked: ServerProgram = {
  name: 'node:net corked',
  command: async (work) => [...(await nodeNet.command(work)), 'corked'],
};
export const nodeDgram: ServerProgram = {
  name: 'node:dgram',
  command: async () => onServerCpu(process.execPath, script('node-dgram-server.js')),
};
/**
 * A program written by hand would gather the answers and send them at once, so for this server reply is the same as
 * echo.
 */
export const cEpoll: ServerProgram = {
  name: 'C epoll',
  command: async (work) => [
    await baselineProgram(work === 'datagram' ? 'epoll_datagram_server' : 'epoll_server'),
    work === 'reply' ? 'echo' : work, '--cpu', String(serverCpu()),
  ],
};

/** Starts a server and waits until it listens. */
export async function startServer<W extends string>(program: ServerProgram<W>, work: W): Promise<Server> {
  const [command, ...args] = await program.command(work);
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const text = collect(child);
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
  const deadlineMs = performance.now() + START_MS;
  let ready: Ready | undefined;
  while ((ready = (program.ready ?? readyLine)(text.stdout)) === undefined) {
    if (isOver() || performance.now() > deadlineMs) {
      await kill();
      throw new CheckFailed(`the ${program.name} server has not said where it listens: ${text.stderr.trim()}`);
    }
    await sleep(5);
  }
  return {
    name: program.name, pid: child.pid!, clientCpuPercents: [], sendLateUs: [], ...ready,
    async stop() {
      child.stdin!.end();
      if (program.endedBy !== undefined) child.kill(program.endedBy);
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      const [code, signal] = await ended;
      clearTimeout(timer);
      if (code !== 0) {
        throw new CheckFailed(
          `the ${program.name} server ended with ${signal ?? `exit code ${code}`}: ${text.stderr.trim()}`,
        );
      }
    },
  };
}

/** True if a reactor on this machine gets this source when it asks for it. */
export async function isGranted(source: IoSource): Promise<boolean> {
  const server = await startServer(percore(source), 'echo');
  await server.stop();
  return server.granted === source;
}

function readyLine(stdout: string): Ready | undefined {
  const end = stdout.indexOf('\n');
  return end < 0 ? undefined : (JSON.parse(stdout.slice(0, end)) as Ready);
}

/** Runs a C client against a server to its end. The client checks every answer, and fails if one is wrong. */
export async function runClient(
  name: BaselineProgram, server: Server, options: Readonly<Record<string, number>>, mode?: string,
): Promise<Record<string, number>> {
  const args = [
    ...(mode === undefined ? [] : [mode]),
    ...Object.entries({ port: server.port, cpu: clientCpu(), ...options }).flatMap(([option, value]) => [
      `--${option}`, value,
    ]),
  ];
  const result = await runProgram(await baselineProgram(name), args, 60_000);
  if (result['verified'] !== true) {
    throw new CheckFailed(
      `the client of the ${server.name} server says that answers were wrong: ${JSON.stringify(result)}`,
    );
  }
  if (typeof result['clientCpuPercent'] === 'number') server.clientCpuPercents.push(result['clientCpuPercent']);
  if (options['rate'] !== undefined) server.sendLateUs.push(Number(result['sendLateP99Us']));
  return result as unknown as Record<string, number>;
}
