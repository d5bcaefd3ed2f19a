/**
 * What the machine grants, as shown by `runtime.status()`: it is looked up when it is first asked for, since that takes
 * some milliseconds and the answer seldom changes. `percore doctor` looks anew.
 */
import { inspectMachine, type Check, type Interrupt, type MachineReport, type Throttling } from '../realtime/index.js';
import { interruptsOn, showInterrupt } from '../realtime/internal.js';

/** What `percore doctor` says, read only from files of the system. */
export interface MachineStatus {
  /** As `uname -r` has it. */
  readonly kernel: string;
  /** The kernel has PREEMPT_RT. */
  readonly isRealtimeKernel: boolean;
  /** How much of each period real-time threads may take. */
  readonly throttling: Throttling | undefined;
  /** What the machine grants, as `percore doctor` says it. */
  readonly checks: readonly Check[];
}

let seen: MachineReport | undefined;
const machine = (): MachineReport => (seen ??= inspectMachine());

export function machineStatus(): MachineStatus {
  const { kernel, isRealtimeKernel, throttling, checks } = machine();
  return structuredClone({ kernel, isRealtimeKernel, throttling, checks });
}

/** The device interrupts that go to the CPU of a thread that has one of its own. */
export function interruptsOfThread(cpus: readonly number[]): string[] {
  const [cpu] = cpus;
  const found: Interrupt[] = cpus.length === 1 ? interruptsOn(cpu!, machine().topology.interrupts) : [];
  return found.map(showInterrupt);
}
