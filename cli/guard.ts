import { constants as osConstants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Runs `cleanUp` when the process exits, also by a signal; returns how to call that off. */
export function guard(cleanUp: () => void): () => void {
  const onSignal = (signal: NodeJS.Signals) => process.exit(128 + osConstants.signals[signal]);
  process.once('exit', cleanUp);
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return () => {
    process.off('exit', cleanUp);
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
}
