/** Names of topics, and patterns: a name, or the beginning of names with a star after it. */
import { checkText, invalidArgument } from '../errors.js';

/** The longest name or pattern, in UTF-16 units. */
const MOST_LETTERS = 256;

/** Returns the name of a topic. Throws ERR_PERCORE_INVALID_ARGUMENT for anything that cannot be one. */
export function checkTopicName(name: unknown): string {
  const text = checkLength('name', name);
  if (text.includes('*')) throw invalidArgument('name', name, 'without a star, which stands in patterns alone');
  return text;
}

/** Returns a pattern. Throws ERR_PERCORE_INVALID_ARGUMENT for anything else. */
export function checkPattern(pattern: unknown): string {
  const text = checkLength('pattern', pattern);
  const star = text.indexOf('*');
  if (star < 0 || star === text.length - 1) return text;
  throw invalidArgument('pattern', pattern, "the name of a topic, or a beginning with one star behind it: 'prices.*'");
}

/** True if `pattern` matches the topic `name`. Case matters. */
export function matches(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

/** Returns text of an allowed length. Throws for anything else. */
function checkLength(argument: string, value: unknown): string {
  const text = checkText(argument, value);
  if (text.length > MOST_LETTERS) throw invalidArgument(argument, value, `at most ${MOST_LETTERS} letters long`);
  if (!(text as string & { isWellFormed(): boolean }).isWellFormed()) {
    // Other threads learn of it as UTF-8, which it cannot be written in: they would know it by another name.
    throw invalidArgument(argument, value, 'text without half a surrogate pair');
  }
  return text;
}
