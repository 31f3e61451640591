/** Told what the user should know, one sentence each. */
export type OnWarning = (warning: string) => void;

/** What a library does that must not be silent, unless its caller listens. */
export const warnOnConsole: OnWarning = (warning) => {
  // biome-ignore lint/suspicious/noConsole: whoever does not listen would otherwise trust the model.
  console.warn(`pth2tfjs: ${warning}`);
};
