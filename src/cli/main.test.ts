/** The command line as users run it: what the package's `bin` names, in a process of its own. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string; bin: { percore: string };
};

function percore(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, manifest.bin.percore), ...args], {
    encoding: 'utf8', cwd: '/',
  });
  return { status, stdout, stderr };
}

it('tells its version, and nothing besides', () => {
  for (const option of ['--version', '-v'])
    expect(percore(option)).toEqual({ status: 0, stdout: `${manifest.version}\n`, stderr: '' });
});

it('has a help that fits one screen of 80 by 24, and names every command with what it does', () => {
  const { status, stdout, stderr } = percore('--help');
  expect([status, stderr]).toEqual([0, '']);
  const lines = stdout.split('\n');
  expect(lines.length).toBeLessThanOrEqual(24);
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
  expect(percore('help')).toEqual({ status, stdout, stderr });
  const commands = [...stdout.matchAll(/^ {2}([a-z]+) +\S.*$/gm)].map(([, name]) => name!);
  for (const name of commands.filter((each) => each !== 'percore')) {
    const asked = percore(name, '--help');
    expect([asked.status, asked.stderr]).toEqual([0, '']);
    expect(asked.stdout).toContain(`percore ${name}`);
    expect(percore('help', name)).toEqual(asked);
  }
});

it('says of which process it found no counters', () => {
  for (const command of ['web', 'slo'] as const) {
    const more = command === 'slo' ? ['--task', 'x', '--response', '1ms'] : [];
    expect(percore(command, '1', ...more)).toEqual({
      status: 1, stdout: '',
      stderr: `percore ${command}: process 1 does not show its counters. A program does by publishCounters(runtime)\n`,
    });
  }
});

it('ends with 2 for a mistake in what was typed, and says so on standard error', () => {
  expect(percore()).toEqual({ status: 2, stdout: '', stderr: expect.stringContaining('Usage: percore <command>') });
  for (const [typed, message] of [
    ['fly', 'there is no command "fly"'], ['--fly', 'there is no option "--fly"'],
    ['constructor', 'there is no command "constructor"'], ['topp', 'there is no command "topp"; did you mean "top"?'],
  ] as const) {
    expect(percore(typed)).toEqual({ status: 2, stdout: '', stderr: `percore: ${message}\nSee percore --help\n` });
  }
});
