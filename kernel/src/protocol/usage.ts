/** What the kernel uses of the machine, in the fields that jupyter-resource-usage shows. */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, freemem, hostname, totalmem } from 'node:os';
import type { Content } from './messages.ts';

interface Sample {
  at: number;
  kernelMs: number;
  hostBusy: number;
  hostTotal: number;
}

/** CPU time in ms and resident bytes of a process; undefined where the system has no /proc. */
function readProcess(pid: number): { ms: number; resident: number } | undefined {
  try {
    // The name in parentheses may hold spaces, so fields are counted after it; ticks are 10 ms on Linux.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
    return { ms: (Number(fields[11]) + Number(fields[12])) * 10, resident: pages * 4096 };
  } catch {
    return undefined;
  }
}

function hostTimes() {
  let busy = 0;
  let total = 0;
  for (const { times } of cpus()) {
    const all = times.user + times.nice + times.sys + times.idle + times.irq;
    total += all;
    busy += all - times.idle;
  }
  return { busy, total };
}

/** A function that answers `usage_request`; percentages are over the time since its last call. */
export function usageMeter(childPid: () => number | undefined): () => Content {
  const { busy, total } = hostTimes();
  let last: Sample = { at: performance.now(), kernelMs: 0, hostBusy: busy, hostTotal: total };
  return () => {
    const child = childPid();
    const own = readProcess(process.pid);
    const other = child === undefined ? undefined : readProcess(child);
    const { user, system } = process.cpuUsage();
    const kernelMs = (own?.ms ?? (user + system) / 1000) + (other?.ms ?? 0);
    const host = hostTimes();
    const now = performance.now();
    const elapsed = Math.max(1, now - last.at);
    const answer = {
      hostname: hostname(),
      pid: process.pid,
      kernel_cpu: (100 * Math.max(0, kernelMs - last.kernelMs)) / elapsed,
      kernel_memory: (own?.resident ?? process.memoryUsage.rss()) + (other?.resident ?? 0),
      cpu_count: availableParallelism(),
      host_cpu_percent: (100 * (host.busy - last.hostBusy)) / Math.max(1, host.total - last.hostTotal),
      host_virtual_memory: {
        total: totalmem(),
        available: freemem(),
        percent: 100 * (1 - freemem() / totalmem()),
        used: totalmem() - freemem(),
        free: freemem(),
      },
    };
    last = { at: now, kernelMs, hostBusy: host.busy, hostTotal: host.total };
    return answer;
  };
}
