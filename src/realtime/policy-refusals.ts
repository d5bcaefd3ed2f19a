/**
 * Why the kernel has refused a policy. It answers EPERM for three causes that have nothing to do with each other, so
 * this looks for the cause where the kernel looks. Source: __sched_setscheduler() in kernel/sched/syscalls.c; sched(7).
 *
 *     | errno  | cause                                                  | where it is seen                       |
 *     |--------|--------------------------------------------------------|----------------------------------------|
 *     | EPERM  | no CAP_SYS_NICE, or only that of a user namespace      | CapEff and uid_map of the process      |
 *     | EPERM  | the cgroup has no real-time budget                     | cpu.rt_runtime_us; the place in v2     |
 *     | EPERM  | DEADLINE, and the thread may not run on all CPUs       | the mask                               |
 *     | EBUSY  | DEADLINE, and the CPUs lack that much time             |                                        |
 *     | EINVAL | DEADLINE, and the period is out of the system's bounds | sched_deadline_period_{min,max}_us     |
 */
import { PercoreError, type PercoreErrorCode } from '../errors.js';
import { realtimeBudget, type RealtimeBudget } from './budget.js';
import { hasCapability, isInUserNamespace, CAP_SYS_NICE } from './capabilities.js';
import { showPolicy, type Policy } from './policies.js';
import { readSystemFile, type SystemFiles } from './system-files.js';

/** What was refused, and what to do. */
export interface PolicyRefusal {
  readonly code: PercoreErrorCode;
  /** errno's name. */
  readonly errno: string;
  readonly cause: string;
  /** What would grant it: a command if there is one. */
  readonly fix: string;
}

/** The cause of a refusal. `read` reads the files of the system. */
export function explainRefusal(policy: Policy, errno: string, read: SystemFiles = readSystemFile): PolicyRefusal {
  if (errno === 'EPERM') return explainEperm(policy, read);
  if (errno === 'EBUSY') {
    return {
      code: 'ERR_PERCORE_NOT_ADMITTED', errno,
      cause: 'admission: the DEADLINE threads of these CPUs leave too little of the real-time share for it',
      fix: 'ask for a smaller runtimeNs or a longer periodNs, or end other DEADLINE threads',
    };
  }
  if (errno === 'EINVAL' && policy.kind === 'deadline') {
    const bounds = ['min', 'max'].map((end) => read(`/proc/sys/kernel/sched_deadline_period_${end}_us`)?.trim() ?? '?');
    const end = policy.periodNs / 1000 < Number(bounds[0]) ? 'min' : 'max';
    return {
      code: 'ERR_PERCORE_NOT_ADMITTED', errno,
      cause: `the system takes periods from ${bounds[0]} to ${bounds[1]} µs`,
      fix: `choose periodNs within, or: sudo sysctl -w kernel.sched_deadline_period_${end}_us=…`,
    };
  }
  if (errno === 'ESRCH') {
    return { code: 'ERR_PERCORE_REACTOR_DIED', errno, cause: 'the thread has ended', fix: 'ask one that runs' };
  }
  if (errno === 'ENOSYS') {
    return {
      code: 'ERR_PERCORE_SYSTEM', errno, cause: 'this platform has no such call',
      fix: 'use Linux, with the native addon',
    };
  }
  return { code: 'ERR_PERCORE_SYSTEM', errno, cause: `the system answered ${errno}`, fix: 'see sched_setattr(2)' };
}

function explainEperm(policy: Policy, read: SystemFiles): PolicyRefusal {
  const errno = 'EPERM';
  if (!hasCapability(CAP_SYS_NICE, read)) {
    const limit = policy.kind === 'other' ? ', or raise: ulimit -e'
      : policy.kind === 'deadline' ? '' : `, or raise: ulimit -r ${policy.priority}`;
    return {
      code: 'ERR_PERCORE_NO_CAPABILITY', errno, cause: 'capability: this process does not have CAP_SYS_NICE',
      fix: `sudo setcap cap_sys_nice+ep ${process.execPath} (container: --cap-add SYS_NICE)${limit}`,
    };
  }
  const isFixed = policy.kind === 'fifo' || policy.kind === 'roundRobin';
  const budget = isFixed ? realtimeBudget(read) : undefined;
  if (budget?.runtimeUs === 0) return noBudget(budget);
  if (isInUserNamespace(read)) {
    return {
      code: 'ERR_PERCORE_NO_CAPABILITY', errno,
      cause: 'capability: CAP_SYS_NICE of a user namespace does not count for scheduling',
      fix: 'run outside of the user namespace (a container with its runtime as root)',
    };
  }
  if (policy.kind === 'deadline') {
    return {
      code: 'ERR_PERCORE_DEADLINE_AFFINITY', errno,
      cause: 'affinity against DEADLINE: such a thread must be allowed on every CPU of its scheduling domain',
      fix: 'do not pin it (pin: false, or a placement instead of a list), or give it an exclusive cpuset',
    };
  }
  // Version 2 has no file to look at; then the only remaining cause is a kernel that gives a cgroup no budget.
  if (budget?.runtimeUs === undefined && budget !== undefined) return noBudget(budget);
  return {
    code: 'ERR_PERCORE_NO_CAPABILITY', errno, cause: 'capability: something besides the capabilities forbids it '
      + '(seccomp, a security module)', fix: 'look at the profile of the container or the service',
  };
}

function noBudget({ folder, fix }: RealtimeBudget): PolicyRefusal {
  return {
    code: 'ERR_PERCORE_NO_REALTIME_BUDGET', errno: 'EPERM', cause: `cgroup real-time budget: ${folder} has none`, fix,
  };
}

/** The refusal as a line of a status: "policy fifo(50): EPERM, capability: …; to grant it: …". */
export function showRefusal(policy: Policy, { errno, cause, fix }: PolicyRefusal): string {
  return `policy ${showPolicy(policy)}: ${errno}, ${cause}; to have it: ${fix}`;
}

/** The refusal as an error. */
export function refusalError(policy: Policy, refusal: PolicyRefusal, reactorId?: number): PercoreError {
  const { code, errno } = refusal;
  const who = reactorId === undefined ? '' : `reactor ${reactorId}: `;
  return new PercoreError(code, `${who}${showRefusal(policy, refusal)}`, {
    argument: 'policy', value: policy, errno, syscall: 'sched_setattr',
    ...(reactorId === undefined ? {} : { reactorId }),
  });
}
