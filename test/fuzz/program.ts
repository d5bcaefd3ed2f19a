/** What a fuzzed runtime may be told to load: a program, a task of `offload`, and the worst discipline there can be. */
export default function program(payload: unknown): unknown {
  return payload;
}
