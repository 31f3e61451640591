import type { Container } from '../src/checkpoint/container/container.js';

/** A container in words, such as `zip version 3, pickle protocol 2, little-endian`. */
export function describeContainer({
  format,
  version,
  pickleProtocol,
  byteOrder,
}: Pick<Container, 'format' | 'version' | 'pickleProtocol' | 'byteOrder'>): string {
  return [
    version === null ? format : `${format} version ${version}`,
    ...(pickleProtocol === null ? [] : [`pickle protocol ${pickleProtocol}`]),
    `${byteOrder}-endian`,
  ].join(', ');
}
