/**
 * Where the fields of an event lie, as the kernel's own `format` files say. The places differ between versions of the
 * kernel, so no table of ours could be right for all. Source: Documentation/trace/events.rst, "Event formats".
 */
import { PercoreError } from '../errors.js';

interface EventField {
  /** In bytes from the beginning of the event. */
  readonly at: number;
  readonly bytes: number;
}

export interface EventFormat {
  readonly name: string;
  /** The value of `common_type` in such an event. */
  readonly id: number;
  readonly fields: ReadonlyMap<string, EventField>;
  /** How the kernel prints it. The letters of the states are taken from there. */
  readonly print: string;
}

/** Reads a `format` file. Throws ERR_PERCORE_SYSTEM if it is not one, or if its common fields lie elsewhere. */
export function parseFormat(text: string): EventFormat {
  const name = /^name: (\S+)$/m.exec(text)?.[1];
  const id = Number(/^ID: (\d+)$/m.exec(text)?.[1]);
  const fields = fieldsOf(text);
  const isAt = (field: string, at: number, bytes: number): boolean =>
    fields.get(field)?.at === at && fields.get(field)?.bytes === bytes;
  const isKnown = isAt('common_type', 0, 2) && isAt('common_flags', 2, 1) && isAt('common_pid', 4, 4);
  if (name === undefined || !(id > 0) || !isKnown) throw unknownFormat(text);
  return { name, id, fields, print: /^print fmt: (.*)$/m.exec(text)?.[1] ?? '' };
}

/** Where a page of the ring buffer says when it begins, how long it is, and where its events begin. */
export interface PageLayout {
  readonly timeAt: number;
  readonly commitAt: number;
  readonly dataAt: number;
  readonly pageBytes: number;
}

/** Reads `events/header_page`. */
export function parsePageLayout(text: string): PageLayout {
  const fields = fieldsOf(text);
  const [time, commit, data] = ['timestamp', 'commit', 'data'].map((name) => fields.get(name));
  if (time === undefined || commit === undefined || data === undefined) throw unknownFormat(text);
  return { timeAt: time.at, commitAt: commit.at, dataAt: data.at, pageBytes: data.at + data.bytes };
}

/** The field in words of 32 bits; of a field of 64 bits this is the low half. Throws if there is no such field. */
export function wordOf(format: EventFormat, field: string): number {
  const found = format.fields.get(field);
  if (found === undefined || found.at % 4 !== 0 || found.bytes < 4)
    throw unknownFormat(`${format.name} without ${field} in words`);
  return found.at / 4;
}

export interface SwitchStates {
  /** The letter of each bit of `prev_state`, as in `ps`. */
  readonly letters: ReadonlyMap<number, string>;
  /** The bit that says that the thread did not sleep but lost its core. */
  readonly preempted: number;
}

/** What the bits of `prev_state` mean in this kernel. The bit above all letters stands for preemption. */
export function parseStates({ print }: EventFormat): SwitchStates {
  const letters = new Map([...print.matchAll(/\{\s*(0x[\da-f]+|\d+)\s*,\s*"([^"]+)"\s*\}/gi)]
    .map(([, bit, letter]) => [Number(bit), letter!] as const));
  if (letters.size === 0) throw unknownFormat(`states: ${print}`);
  return { letters, preempted: 2 * Math.max(...letters.keys()) };
}

function fieldsOf(text: string): Map<string, EventField> {
  const pattern = /^\s*field:\s*(?<declared>[^;]+);\s*offset:(?<at>\d+);\s*size:(?<bytes>\d+);/gm;
  return new Map([...text.matchAll(pattern)].map(({ groups }) => [
    // "char prev_comm[16]", "__data_loc char[] name", "pid_t pid".
    /(\w+)(?:\[\w*\])?$/.exec(groups!.declared!.trim())?.[1] ?? groups!.declared!,
    { at: Number(groups!.at), bytes: Number(groups!.bytes) },
  ]));
}

function unknownFormat(text: string): PercoreError {
  const start = text.trim().split('\n')[0]!.slice(0, 80);
  return new PercoreError('ERR_PERCORE_SYSTEM', `percore does not know how this kernel describes its events: ${start}`);
}
