import { inspect } from 'node:util';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { PercoreError, checkBytes, checkOneOf, checkOptions, checkText, messageOf } from './errors.js';

describe('checks of arguments', () => {
  it('names the option that was probably meant', () => {
    expect(() => checkOptions('options', { timeoutMS: 1 }, ['signal', 'timeoutMs'])).toThrow(
      'options has no option "timeoutMS"; did you mean "timeoutMs"? It takes signal, timeoutMs',
    );
    expect(() => checkOptions('options', { colour: 1 }, ['signal', 'timeoutMs'])).toThrow(
      'options has no option "colour". It takes signal, timeoutMs',
    );
  });

  it('refuses values that cannot have options or cannot be read, with a message of its own', () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    for (const value of [[], new Uint8Array(4), proxy, 'text', null]) {
      const check = (): unknown => checkOptions('options', value as object, ['signal']);
      expect(check).toThrow(/^options must be an object with signal, or left out, not /);
    }
    expect(() => checkText('name', proxy)).toThrow('not a Proxy that cannot be read');
  });

  it('shows a function by its kind and not by its text, and does not call it', () => {
    const long = Object.assign(() => 'a'.repeat(1000), { toString: () => expect.unreachable() });
    expect(() => checkText('name', long)).toThrow('name must be a string that is not empty, not [object Function]');
    const { proxy, revoke } = Proxy.revocable(() => undefined, {});
    revoke();
    expect(() => checkText('name', proxy)).toThrow('not a Proxy that cannot be read');
  });

  it('guesses the nearest name and not the first one that is near', () => {
    const guess = (key: string, known: string[]): string => {
      try {
        checkOptions('options', { [key]: 1 }, known);
      } catch (error) {
        return /did you mean "(.*)"/.exec((error as Error).message)?.[1] ?? '';
      }
      throw new Error('it was taken');
    };
    expect(guess('idleMS', ['readMs', 'idle', 'idleMs'])).toBe('idleMs');
    expect(guess('portt', ['sort', 'ports', 'port'])).toBe('ports');
    expect(guess('highWater', ['high', 'highWaterBytes'])).toBe('high');
    expect(guess('timeout', ['timeoutMs', 'timeouts'])).toBe('timeouts');
    expect(guess('idle', ['idleTimeoutMs', 'side'])).toBe('side');
    expect(guess('colour', ['size', 'port'])).toBe('');
    expect(guess('8', ['0', '7', '80', 'others'])).toBe('');
    expect(guess('port8', ['port', '8'])).toBe('port');
  });

  it('takes undefined as an empty object of options, and refuses anything else that is no object', () => {
    expect(checkOptions('options', undefined, ['signal'])).toEqual({});
    for (const wrong of [null, 5, 'park', true])
      expect(() => checkOptions('idle', wrong as never, ['strategy'])).toThrow('idle must be an object with strategy');
  });

  it('takes bytes of any realm and nothing else', () => {
    for (const bytes of [new Uint8Array(2), Buffer.alloc(2), runInNewContext('new Uint8Array(2)')])
      expect(checkBytes('payload', bytes)).toBe(bytes);
    for (const wrong of ['hi', new Float64Array(1), new ArrayBuffer(2), [1], 5, null, undefined, { length: 2 }])
      expect(() => checkBytes('payload', wrong)).toThrow('payload must be a Uint8Array');
  });

  it('lists the words that it takes', () => {
    expect(() => checkOneOf('source', 'kqueue', ['epoll', 'io_uring'])).toThrow(
      "source must be 'epoll' or 'io_uring', not \"kqueue\"",
    );
    expect(() => checkOneOf('whenSlow', 'drop-oldset', ['wait', 'block', 'drop-oldest'])).toThrow(
      "whenSlow must be 'wait', 'block' or 'drop-oldest', not \"drop-oldset\"; did you mean 'drop-oldest'?",
    );
    expect(() => checkText('name', '')).toThrow('name must be a string that is not empty');
  });
});

describe('an error', () => {
  it('has only the fields that have a value, so that no others are printed', () => {
    const error = new PercoreError('ERR_PERCORE_CLOSED', 'it is closed', { argument: 'queue' });
    expect(Object.keys(error).toSorted()).toEqual(['argument', 'code', 'name']);
    expect(inspect(error)).not.toContain('undefined');
  });

  it('has a message for anything that can be thrown', () => {
    expect(messageOf(new Error('out of order'))).toBe('out of order');
    expect(messageOf(Object.assign(new Error(), { message: Symbol('odd') }))).toBe('Symbol(odd)');
    expect(messageOf(Object.create(null))).toBe('[object Object]');
    expect(messageOf('text')).toBe('text');
  });
});
