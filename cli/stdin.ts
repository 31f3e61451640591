/** What a lone `-` is called within: yargs drops it from a list of arguments. */
export const STDIN = 'stdin:';

export function nameStdin(argv: readonly string[]): readonly string[] {
  return argv.map((argument) => (argument === '-' ? STDIN : argument));
}
