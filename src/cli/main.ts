#!/usr/bin/env node
/**
 * The command `percore`: a table of commands, each loaded when it is asked for. It prints results to standard output
 * and everything else to standard error, and its exit codes are those of command.ts.
 */
import { createRequire } from 'node:module';
import { nearest } from '../errors.js';
import { type Command, DONE, FAILED, MISUSED, UsageError } from './command.js';

/** In the order of `--help`. A new command is a module in this folder and a line here. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  slo: () => import('./slo.js'),
  trace: () => import('./trace.js'),
  web: () => import('./web.js'),
  top: () => import('./top.js'),
  bench: () => import('./bench.js'),
  doctor: () => import('./doctor.js'),
  new: () => import('./new.js'),
};

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // The reader has gone, as in `percore … | head`.
  if (error.code === 'EPIPE') process.exit(DONE);
  process.stderr.write(`percore: what it found cannot be written: ${error.message}\n`);
  process.exit(FAILED);
});
process.exitCode = await main(process.argv.slice(2));

async function main([name, ...args]: string[]): Promise<number> {
  if (name === undefined) {
    process.stderr.write(await overview());
    return MISUSED;
  }
  if (name === '--help' || name === '-h' || (name === 'help' && args.length === 0)) return say(await overview());
  if (name === '--version' || name === '-v') return say(`${version()}\n`);
  if (name === 'help') return main([args[0]!, '--help']);
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) {
    const what = name.startsWith('-') ? 'option' : 'command';
    const meant = nearest(name, Object.keys(COMMANDS));
    const hint = meant === undefined ? '' : `; did you mean ${JSON.stringify(meant)}?`;
    return misused(`there is no ${what} ${JSON.stringify(name)}${hint}`, 'percore --help');
  }
  const command = await load();
  if (args.includes('--help') || args.includes('-h')) return say(`${command.usage.trim()}\n`);
  try {
    return await command.run(args);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof UsageError || code?.startsWith('ERR_PARSE_ARGS') === true)
      return misused(message, `percore ${name} --help`);
    // A mistake of ours shows where it was made; an error that a user can fix needs no stack.
    const isOurs = code === undefined;
    const said = isOurs ? (error as Error).stack : message.includes(code) ? message : `${message} (${code})`;
    process.stderr.write(`percore ${name}: ${said}\n`);
    return FAILED;
  }
}

async function overview(): Promise<string> {
  const commands = await Promise.all(
    Object.entries(COMMANDS).map(async ([name, load]) => `  ${name.padEnd(10)} ${(await load()).summary}`),
  );
  return [
    `percore ${version()}: a thread-per-core runtime and message bus for Node.js`, '',
    'Usage: percore <command> [options]', '',
    ...commands, ...(commands.length > 0 ? [''] : []),
    '  percore <command> --help   what a command does, and its options',
    '  percore --version          the version alone', '',
    'Exit codes: 0 done, 1 failed, 2 a mistake in what was typed, 3 no right.', '',
  ].join('\n');
}

function version(): string {
  return (createRequire(import.meta.url)('percore/package.json') as { version: string }).version;
}

function say(text: string): number {
  process.stdout.write(text);
  return DONE;
}

function misused(message: string, help: string): number {
  process.stderr.write(`percore: ${message}\nSee ${help}\n`);
  return MISUSED;
}
