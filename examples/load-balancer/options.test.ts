import { describe, expect, test } from 'vitest';
import { parseOptions, usage, UsageError } from './options.js';

function failureOf(...argv: string[]): string {
  try {
    parseOptions(argv);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as UsageError).message;
  }
  throw new Error(`accepted: ${argv.join(' ')}`);
}

describe('parseOptions', () => {
  test('has the documented defaults', () => {
    expect(parseOptions([])).toEqual({
      port: 7411, outputPort: 7412, host: '127.0.0.1', isStdin: false, file: undefined, isDemo: false, isRaw: false,
      keyField: 1, urgent: undefined, workUs: 0, isJson: false, reactors: 'auto', outputBacklogBytes: 16_777_216,
      idle: 'adaptive', discipline: 'strict', drainMs: 8000, die: undefined, isRebalanced: false,
      isHelp: false,
    });
  });

  test('takes every option, its value joined or apart', () => {
    expect(parseOptions([
      '--port', '1', '--output-port=2', '--host', '::1', '--file', 'a b.txt', '--raw', '--key-field', '3',
      '--urgent', 'ERROR|CRIT', '--work-us', '2.5', '--json', '--reactors=4', '--output-backlog-bytes', '4096',
      '--idle', 'park', '--discipline', 'shares', '--drain-ms', '0', '--die', '1:2', '--rebalance',
    ])).toEqual({
      port: 1, outputPort: 2, host: '::1', isStdin: false, file: 'a b.txt', isDemo: false, isRaw: true, keyField: 3,
      urgent: /ERROR|CRIT/, workUs: 2.5, isJson: true, reactors: 4, outputBacklogBytes: 4096, idle: 'park',
      discipline: 'shares',
      drainMs: 0, die: { reactor: 1, afterLines: 2 }, isRebalanced: true, isHelp: false,
    });
    expect(parseOptions(['--stdin']).isStdin).toBe(true);
    expect(parseOptions(['--demo']).isDemo).toBe(true);
    expect(parseOptions(['--reactors', 'auto']).reactors).toBe('auto');
  });

  test.each(['spin', 'backoff', 'park', 'adaptive'])('takes the idle strategy %s', (idle) => {
    expect(parseOptions(['--idle', idle]).idle).toBe(idle);
  });

  test.each([
    ['--port', '0', 'port', 0], ['--port', '65535', 'port', 65_535],
    ['--key-field', '1', 'keyField', 1], ['--key-field', '65536', 'keyField', 65_536],
    ['--work-us', '0', 'workUs', 0], ['--work-us', '.5', 'workUs', 0.5], ['--work-us', '1000000', 'workUs', 1_000_000],
    ['--reactors', '1', 'reactors', 1], ['--reactors', '255', 'reactors', 255],
    ['--output-backlog-bytes', '1', 'outputBacklogBytes', 1],
    ['--output-backlog-bytes', '1073741824', 'outputBacklogBytes', 1_073_741_824],
  ] as const)('accepts %s %s, an end of its range', (option, text, field, value) => {
    expect(parseOptions(['--raw', option, text])[field]).toBe(value);
  });

  test.each([
    ['--port', '65536', '0 to 65535'], ['--port', '-1', '0 to 65535'], ['--port', '', '0 to 65535'],
    ['--port', '80a', '0 to 65535'], ['--port', '1.5', '0 to 65535'], ['--port', '0x50', '0 to 65535'],
    ['--output-port', '1e3', '0 to 65535'], ['--output-port', '70000', '0 to 65535'],
    ['--key-field', '0', '1 to 65536'], ['--key-field', '65537', '1 to 65536'],
    ['--work-us', '-0.1', '0 to 1000000'], ['--work-us', '.', '0 to 1000000'],
    ['--work-us', 'Infinity', '0 to 1000000'], ['--work-us', '1000000.1', '0 to 1000000'],
    ['--reactors', '0', '1 to 255'], ['--reactors', '256', '1 to 255'], ['--reactors', 'Auto', 'auto'],
    ['--output-backlog-bytes', '0', '1 to 1073741824'], ['--output-backlog-bytes', '1073741825', '1 to 1073741824'],
    ['--discipline', 'fair', 'strict, roundRobin, weighted, shares, deadline'],
    ['--idle', 'sleep', 'spin, backoff, park, adaptive'], ['--idle', 'toString', 'spin, backoff, park, adaptive'],
    ['--host', '', 'not empty'], ['--file', '', 'not empty'],
    ['--urgent', '', 'not empty'], ['--urgent', '(', 'Unterminated group'],
    ['--urgent', 'a\n[', 'Unterminated character class'],
  ])('rejects %s %j and says what is allowed', (option, text, allowed) => {
    const message = failureOf('--raw', `${option}=${text}`);
    expect(message).toContain(`${option} is ${JSON.stringify(text)}`);
    expect(message).toContain(allowed);
    expect(message).not.toContain('\n');
  });

  test.each([
    '--port', '--output-port', '--host', '--file', '--key-field', '--urgent', '--work-us', '--reactors',
    '--output-backlog-bytes', '--idle',
  ])('names %s when its value is missing', (option) => {
    expect(failureOf('--raw', option)).toContain(`${option} has no value`);
  });

  test.each(['--host', '--file', '--urgent'])('does not let %s swallow the option behind it', (option) => {
    expect(failureOf('--raw', option, '--json')).toContain(`${option} is followed by "--json"`);
    expect(() => parseOptions(['--raw', `${option}=--json`])).not.toThrow();
  });

  test('rejects a value for a flag', () => {
    expect(failureOf('--stdin=no')).toBe('--stdin has the value "no", but no value is allowed');
  });

  const unknown = ['--prot', '-p', '--no-raw', '--toString', '--__proto__'];
  test.each(unknown)('rejects the unknown option %s', (option) => {
    expect(failureOf(option)).toContain(`unknown option ${JSON.stringify(option)}`);
  });

  test('rejects arguments that are no options, before and behind the terminator', () => {
    expect(failureOf('lines.txt')).toContain('unexpected argument "lines.txt"');
    expect(failureOf('--', '--raw')).toContain('unexpected argument "--raw"');
  });

  test('rejects two inputs', () => {
    const message = failureOf('--stdin', '--file', 'x');
    expect(message).toBe('--stdin and --file "x" are both given, but only one input is allowed');
  });

  test.each([['--stdin'], ['--file', 'x'], ['--raw']])('rejects --demo with %s', (...input) => {
    expect(failureOf('--demo', ...input)).toContain('--demo sends lines of its own');
    expect(failureOf(...input, '--demo')).toContain('--demo sends lines of its own');
  });

  test('rejects --key-field and --urgent without --raw, even with the default value', () => {
    expect(failureOf('--key-field', '1')).toBe('--key-field 1 is only allowed with --raw');
    expect(failureOf('--urgent', 'E.')).toBe('--urgent "E." is only allowed with --raw');
    expect(parseOptions(['--key-field', '2', '--urgent', 'E.', '--raw']).keyField).toBe(2);
  });

  test('rejects one port for both directions, unless it is any free one or lines come from elsewhere', () => {
    expect(failureOf('--port', '7412')).toBe('--port and --output-port are both 7412, but must differ');
    expect(() => parseOptions(['--port', '0', '--output-port', '0'])).not.toThrow();
    expect(() => parseOptions(['--stdin', '--port', '7412'])).not.toThrow();
    expect(() => parseOptions(['--file', 'x', '--port', '7412'])).not.toThrow();
  });

  test('lets the last of a repeated option count', () => {
    expect(parseOptions(['--port', '1', '--port', '2']).port).toBe(2);
  });

  test('only asks for help when --help or -h is there, whatever else is wrong', () => {
    expect(parseOptions(['--port', 'x', '--help'])).toEqual({ ...parseOptions([]), isHelp: true });
    expect(parseOptions(['-h']).isHelp).toBe(true);
  });

  test('never shares an object between two calls that one caller could change for the other', () => {
    const first = parseOptions([]) as { port: number };
    first.port = 1;
    expect(parseOptions([]).port).toBe(7411);
  });
});

describe('usage', () => {
  test('describes every option and fits a terminal of 120 columns', () => {
    const options = [
      'port', 'output-port', 'host', 'stdin', 'file', 'raw', 'key-field', 'urgent', 'work-us', 'json', 'reactors',
      'demo', 'output-backlog-bytes', 'idle', 'discipline', 'help',
    ];
    for (const option of options) expect(usage).toMatch(new RegExp(`^ .*--${option}\\b`, 'm'));
    for (const line of usage.split('\n')) expect(line.length).toBeLessThanOrEqual(120);
  });
});
