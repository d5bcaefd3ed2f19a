/** Which CPUs take the interrupts of devices. Source: the kernel's core-api/irq/irq-affinity; proc_interrupts(5). */
import { parseList, type SystemFiles } from './system-files.js';

export interface Interrupt {
  /** Its number in `/proc/interrupts`. */
  readonly irq: number;
  /** What the kernel says about it: chip, kind and device. */
  readonly name: string;
  /** CPUs that it was allowed on. */
  readonly asked: readonly number[];
  /** CPUs that it goes to. */
  readonly effective: readonly number[];
  /** How often each CPU has taken it, by the number of the CPU; offline CPUs are missing. */
  readonly counts: ReadonlyMap<number, number>;
}

/**
 * Device interrupts by number. Interrupts without one (timers, rescheduling) belong to each CPU and cannot be moved.
 */
export function interruptsOf(read: SystemFiles): Interrupt[] {
  const [head = '', ...lines] = (read('/proc/interrupts') ?? '').split('\n');
  const columns = [...head.matchAll(/CPU(\d+)/g)].map(([, cpu]) => Number(cpu));
  return lines.flatMap((line): Interrupt[] => {
    const [, number, rest = ''] = /^\s*(\d+):\s+(.*)$/.exec(line) ?? [];
    if (number === undefined) return [];
    const parts = rest.split(/\s+/);
    const counts = new Map(columns.map((cpu, i) => [cpu, Number(parts[i])]));
    const irq = Number(number);
    const asked = parseList(read(`/proc/irq/${irq}/smp_affinity_list`));
    const effective = parseList(read(`/proc/irq/${irq}/effective_affinity_list`));
    return [{
      irq, name: parts.slice(columns.length).join(' '), asked, counts,
      // If the files may not be read, as in many containers: the CPUs that have taken some.
      effective: effective.length > 0 ? effective
        : asked.length > 0 ? asked : [...counts].flatMap(([cpu, count]) => (count > 0 ? [cpu] : [])),
    }];
  });
}

/** The interrupts that go to this CPU and have arrived there at least once. */
export function interruptsOn(cpu: number, interrupts: readonly Interrupt[]): Interrupt[] {
  return interrupts.filter(({ effective, counts }) => effective.includes(cpu) && (counts.get(cpu) ?? 0) > 0);
}

/** "IRQ 36 (PCI-MSIX virtio1-req.0)" */
export const showInterrupt = ({ irq, name }: Interrupt): string => `IRQ ${irq} (${name})`;
