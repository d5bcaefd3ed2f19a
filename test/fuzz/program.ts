/**
 * What a fuzzed runtime may be told to load: a program, a task of `offload`, and the worst discipline there can be; by
 * their names, programs that do what the control's verbs ask of them.
 */
import type { ConnectionProgram, ProcessProgram, Program } from 'percore';

export default function program(payload: unknown): unknown {
  return payload;
}

export const step: Program<unknown> = ({ send, publish, end, data }) => (message) => {
  if (data === 'sends') return send('values', message);
  if (data === 'publishes') return publish('prices', message);
  if (message === 1) end(message);
  return undefined;
};
export const later: Program<unknown> = async () => async () => undefined;
export const body: ProcessProgram = () => function* () {
  yield;
  return 1;
};
export const connection: ConnectionProgram = () => (accepted) => accepted.end();
export const throwing: Program<unknown> = () => {
  throw Object.assign(new TypeError('thrown by a program'), { code: 'E_HANDLER' });
};
