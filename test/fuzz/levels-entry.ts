/** An app of two levels for the fuzzer: its declaration, its code, and the entry of its levels. */
import { defineApp, implementApp, takes } from 'percore/realtime';

export const app = defineApp({
  cores: [{}],
  resources: { shared: { value: 'u32' } },
  tasks: {
    work: { priority: 1, uses: ['shared'], spawns: ['other'], takes: takes<unknown>() },
    other: { priority: 2, uses: ['shared'], takes: takes<unknown>() },
  },
  main: { spawns: ['work', 'other'], schedules: ['work'] },
});

export const code = {
  tasks: {
    work(context: any) {
      context.lock('shared', (shared: { value: number }) => { shared.value++; });
      context.spawn('other', 1);
    },
    other(context: any) {
      context.lock('shared', (shared: { value: number }) => { shared.value++; });
    },
  },
};

export default implementApp(app, code);
