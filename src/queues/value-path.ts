/**
 * How errors name a part of a value, such as `value.orders[2].price` or `value["odd name"]`, and what kind of thing it
 * is.
 */

const PLAIN_NAME = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;
const MOST_KEY_LENGTH = 80;

/** The path to a property of the thing at `path`. */
export function memberPath(path: string, key: string): string {
  if (PLAIN_NAME.test(key) && key.length <= MOST_KEY_LENGTH) return `${path}.${key}`;
  return `${path}[${JSON.stringify(key.length > MOST_KEY_LENGTH ? `${key.slice(0, MOST_KEY_LENGTH)}…` : key)}]`;
}

/**
 * What kind of thing `value` is: "a function", "a Map", "an instance of Order", "a string". Runs no code of the value
 * itself, except that of a Proxy.
 */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value !== 'object') return `a ${typeof value}`;
  let prototype: unknown;
  try {
    prototype = Object.getPrototypeOf(value);
  } catch {
    return 'a proxy that refuses to be looked at';
  }
  if (prototype === null) return 'an object';
  const name: unknown = Object.getOwnPropertyDescriptor(
    Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value ?? {}, 'name',
  )?.value;
  if (typeof name !== 'string' || name === '') return 'an object';
  if (name === 'Object') return 'an object';
  return name in globalThis ? withArticle(name) : `an instance of ${name}`;
}

/** The name with its article: "an Int8Array", "a Uint8Array". */
export const withArticle = (name: string): string => `${/^(?!Uint|URL)[AEIOU]/.test(name) ? 'an' : 'a'} ${name}`;
