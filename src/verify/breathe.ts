/** Lets timers and signals in, which a backend that never waits for anything keeps out. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve);
  });
}
