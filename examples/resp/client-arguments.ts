/** What the client sends: which commands, and how their arguments are encoded. */

export type Argument = string | number | bigint | Uint8Array;

/**
 * Commands that are answered more than once, never, or that change what a reply is: the queue of those who wait would
 * be out of step.
 */
const NOT_ONE_REPLY = new Set([
  'subscribe', 'unsubscribe', 'psubscribe', 'punsubscribe', 'ssubscribe', 'sunsubscribe', 'monitor', 'sync', 'psync',
  'reset',
]);

/** False for a command that the client must not send as an ordinary one. */
export function isAnsweredOnce(args: readonly Argument[]): boolean {
  const name = String(args[0]).toLowerCase();
  if (name === 'client') return !/^reply$/i.test(String(args[1]));
  if (name === 'hello') return args[1] === undefined || String(args[1]) === '2';
  return !NOT_ONE_REPLY.has(name);
}

/** The bytes of argument `index`. Throws TypeError for what cannot be sent. */
export function encode(argument: Argument, index: number): Uint8Array {
  switch (typeof argument) {
    case 'string': return Buffer.from(argument, 'utf8');
    case 'number': case 'bigint': return Buffer.from(String(argument), 'latin1');
    default:
      if (argument instanceof Uint8Array) return argument;
      throw new TypeError(
        `argument ${index} is ${kindOf(argument)}, allowed are text, numbers, bigints and Uint8Array`,
      );
  }
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : `of type ${typeof value}`;
}
