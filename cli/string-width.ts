import { stripVTControlCharacters } from 'node:util';

/**
 * How many columns of a terminal a text takes, for the help that yargs lays out: in place of the package
 * `string-width`, whose tables of emoji and wide characters take longer to load than all the rest of yargs.
 * Help has neither.
 */
export default function stringWidth(text: string): number {
  return [...stripVTControlCharacters(text)].length;
}
