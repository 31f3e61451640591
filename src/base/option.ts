/** Options of the library's functions that messages speak of. */
export type OptionName =
  | 'allowOtherCheckpoint'
  | 'atol'
  | 'backends'
  | 'checkpoint'
  | 'format'
  | 'identityBatchNorm'
  | 'imageSize'
  | 'input'
  | 'key'
  | 'labels'
  | 'quantization'
  | 'requireGpu'
  | 'rtol'
  | 'tf32'
  | 'top1'
  | 'trainable'
  | 'transformInput';

/**
 * An option as messages name it, in backticks: `imageSize: 64`, or its name alone. Whoever shows messages to people
 * that have no options, as the command line does, finds them by {@link replaceOptions}.
 */
export function option(name: OptionName, value?: string | number | boolean): string {
  return value === undefined ? `\`${name}\`` : `\`${name}: ${literal(value)}\``;
}

/** Text that is no number stands in quotes. */
function literal(value: string | number | boolean): string {
  if (typeof value !== 'string' || Number.isFinite(Number(value))) return String(value);
  return `'${value.replace(/['\\]/g, '\\$&')}'`;
}

const OPTION = /`([a-zA-Z0-9]+)(?:: ('(?:[^'\\]|\\.)*'|[^`']*))?`/g;

/** Words the options in a message otherwise; what `word` does not know stays as it is. */
export function replaceOptions(
  message: string,
  word: (name: string, value: string | undefined) => string | undefined,
): string {
  return message.replace(OPTION, (whole, name: string, value: string | undefined) => {
    const bare = value?.startsWith("'") ? value.slice(1, -1).replace(/\\(.)/gs, '$1') : value;
    return word(name, bare) ?? whole;
  });
}
