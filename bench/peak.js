import { readFileSync } from 'node:fs';

/**
 * This process's peak resident memory in bytes. On Linux it comes from /proc, because `resourceUsage` there
 * also counts what the parent held when it started this process.
 */
export function peakMemory() {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS * 1024;
  const [, kilobytes] = readFileSync('/proc/self/status', 'utf8').match(/VmHWM:\s*(\d+) kB/);
  return Number(kilobytes) * 1024;
}
