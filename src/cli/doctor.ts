/** `percore doctor`: what this machine grants to real-time work, and the command that would grant what it refuses. */
import { parseArgs } from 'node:util';
import { createPoller } from '../io/index.js';
import { CHECK_NAMES, inspectMachine, type Check, type MachineReport } from '../realtime/index.js';
import { DONE, FAILED, UsageError } from './command.js';

const NAMES = [...CHECK_NAMES, 'io_uring'];

export const summary = 'what this machine grants and refuses, and how to get it';
export const usage = `
Usage: percore doctor [--json] [--require NAMES]

Says what this machine grants to reactors, what it refuses, why, and the command that would grant it. Needs no
privilege, changes nothing, and takes a fraction of a second.

  --json             the whole report as JSON, topology and interrupts included
  --require NAMES    what must be granted, by names with commas between: the exit code is 1 when one is not

Names: ${NAMES.join(', ')}

Example: percore doctor --require fifo,isolated,io_uring
`;

export async function run(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { json: { type: 'boolean' }, require: { type: 'string' } } });
  const required = (values.require ?? '').split(',').map((name) => name.trim()).filter((name) => name !== '');
  if (values.require !== undefined && required.length === 0)
    throw new UsageError(`--require needs names with commas between them: ${NAMES.join(', ')}`);
  const unknown = required.find((name) => !NAMES.includes(name));
  if (unknown !== undefined) throw new UsageError(`--require does not know "${unknown}". It knows ${NAMES.join(', ')}`);
  const machine = inspectMachine({ isTrying: true });
  const checks = [...machine.checks, ioUring()];
  const missing = required.filter((name) => checks.some((check) => check.name === name && !check.isMet));
  if (values.json === true) {
    const { topology, ...rest } = machine;
    const interrupts = topology.interrupts.map((each) => ({ ...each, counts: Object.fromEntries(each.counts) }));
    const report = { ...rest, topology: { ...topology, interrupts }, checks, required, missing };
    process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
  } else {
    process.stdout.write(`${describe(machine, checks).join('\n')}\n`);
    if (required.length > 0) {
      process.stdout.write(missing.length === 0 ? `\nAll that is required is granted: ${required.join(', ')}\n`
        : `\nNot granted: ${missing.join(', ')}\n`);
    }
  }
  return missing.length === 0 ? DONE : FAILED;
}

function ioUring(): Check {
  try {
    const poller = createPoller({ source: 'io_uring' });
    const { granted, refusals } = poller.status();
    poller.close();
    const isMet = granted === 'io_uring';
    return { name: 'io_uring', isMet, found: isMet ? 'granted' : refusals.join('; '), fix: isMet ? undefined
      : 'sudo sysctl -w kernel.io_uring_disabled=0; container: a seccomp profile that allows io_uring_setup' };
  } catch (error) {
    return { name: 'io_uring', isMet: false, found: (error as Error).message.split('\n')[0]!, fix: 'see `native`' };
  }
}

const some = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

function describe({ kernel, topology: { cpus } }: MachineReport, checks: readonly Check[]): string[] {
  const count = (values: readonly unknown[]): number => new Set(values).size;
  const packages = count(cpus.map((each) => each.package));
  const nodes = count(cpus.map(({ node }) => node));
  const cores = count(cpus.map((each) => `${each.package} ${each.core}`));
  return [
    `Linux ${kernel}: ${some(cpus.length, 'CPU')}, ${some(cores, 'core')}, ${some(packages, 'package')}, `
      + some(nodes, 'NUMA node'), '',
    ...checks.flatMap(({ name, isMet, found, fix }) => [
      `${isMet ? 'yes' : 'no '}  ${name.padEnd(16)} ${found}`,
      ...(fix === undefined ? [] : [`${' '.repeat(21)} -> ${fix}`]),
    ]),
  ];
}
