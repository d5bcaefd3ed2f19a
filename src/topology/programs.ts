/** Programs: what a task or a listener that was made by a message runs. A module exports them. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { PercoreError, checkText, invalidArgument } from '../errors.js';
import { fileUrlOf } from '../file-url.js';
import type { Connection } from '../io/index.js';
import type { ByteRecord, Reactor, StepResult } from '../reactor/index.js';
import type { ProcessBody } from '../tasks/index.js';

/** What a program is told about the task that it runs. */
export interface ProgramContext<
  Sends extends object = Record<string, unknown>, Publishes extends object = Record<string, unknown>,
> {
  /** The party that it runs in; for the main thread, its end of the lanes, which looks like a reactor. */
  readonly reactor: Reactor;
  /** The name of the task, or of the listener. */
  readonly name: string;
  /** What the message that made it has passed on. */
  readonly data: unknown;
  /**
   * Sends a message to a task that this one may send to. Returns OK, BACK_PRESSURED, TOO_LARGE or CLOSED, as
   * `Reactor.send` does. Throws ERR_PERCORE_UNDECLARED for any other task.
   */
  send<N extends keyof Sends & string>(to: N, message: Sends[N]): number;
  /** The same for a topic that this task may publish to; returns what `Topic.publish` does. */
  publish<N extends keyof Publishes & string>(topic: N, message: Publishes[N]): number;
  /**
   * Ends the task: those who join it get `value`, its name is free, and what it is sent from now on is dropped, counted
   * and reported. A second call does nothing. A process ends by returning, and this throws there.
   */
  end(value?: unknown): void;
}

/** The step of a task that takes values. */
export type ProgramStep<M = never> = (message: M, from: number, priority: number) => StepResult;
/** Runs once for each task: what it returns is the task's step. It may be asynchronous; messages come afterwards. */
export type Program<M = never, Sends extends object = Record<string, unknown>> = (
  context: ProgramContext<Sends>,
) => ProgramStep<M> | Promise<ProgramStep<M>>;
/** The same for a task that takes bytes. */
export type BytesProgram = (context: ProgramContext) => (record: ByteRecord) => number | void;
/** The same for a process: what it returns is the body. */
export type ProcessProgram<M = unknown, Sends extends object = Record<string, unknown>> = (
  context: ProgramContext<Sends>,
) => ProcessBody<M, unknown> | Promise<ProcessBody<M, unknown>>;
/** The same for `io`: what it returns is called with each connection. */
export type ConnectionProgram = (context: ProgramContext) => (connection: Connection) => void;

/** Any program: the message that uses it shows which kind it is. */
export type Loaded = (context: ProgramContext) => unknown;

/**
 * Imports a program. Rejects with ERR_PERCORE_INVALID_ARGUMENT for what is not the name of a file, or with
 * ERR_PERCORE_ENTRY for a file that does not exist, that fails (the cause says how), or that does not export such a
 * function.
 */
export async function loadProgram(where: string, module: unknown, exported = 'default'): Promise<Loaded> {
  const url = urlOf(`${where}.module`, module);
  checkText(`${where}.export`, exported);
  if (!existsSync(fileURLToPath(url))) {
    throw notAProgram(url, 'does not exist', `${where}.module`);
  }
  let all: Record<string, unknown>;
  try {
    all = await import(url.href) as Record<string, unknown>;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw notAProgram(url, `failed: ${why}`, `${where}.module`, cause);
  }
  const found = all[exported];
  if (typeof found === 'function') return found as Loaded;
  const known = Object.keys(all).filter((key) => typeof all[key] === 'function').join(', ') || 'no functions';
  throw notAProgram(url, `has no export "${exported}" that is a function; it exports ${known}`, `${where}.export`);
}

/** What the program returned. Throws ERR_PERCORE_ENTRY unless it is a function. */
export function checkMade(name: string, made: unknown): (...given: unknown[]) => unknown {
  if (typeof made === 'function') return made as (...given: unknown[]) => unknown;
  throw new PercoreError(
    'ERR_PERCORE_ENTRY', `the program of "${name}" returned no function: it returns what runs for each message`,
    { argument: 'name', value: name },
  );
}

/** The URL of a file as text, if it is one. */
export function urlOf(argument: string, module: unknown): URL {
  const allowed = 'a file URL such as import.meta.url, as text, or an absolute path';
  const url = typeof module === 'string' ? fileUrlOf(module) : undefined;
  if (url === undefined) throw invalidArgument(argument, module, allowed);
  return url;
}

function notAProgram(url: URL, why: string, argument: string, cause?: unknown): PercoreError {
  return new PercoreError(
    'ERR_PERCORE_ENTRY', `${fileURLToPath(url)} ${why}`,
    { argument, value: url.href, ...(cause === undefined ? {} : { cause }) },
  );
}
