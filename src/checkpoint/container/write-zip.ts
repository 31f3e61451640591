import { concatenate } from '../../base/bytes.js';
import { Pth2tfjsError } from '../../base/errors.js';
import { u16, u32, u64 } from './little-endian.js';

/**
 * A zip archive as PyTorch's copy of miniz writes it: nothing compressed, no dates, the sizes in a
 * descriptor behind the data, the data aligned by an extra field `FB`, zip64 end records always.
 * Sources: caffe2/serialize/inline_container.cc (getPadding), third_party/miniz; PKWARE's
 * APPNOTE.TXT 6.3.10, section 4.3.
 */

/** A file of the archive. */
export interface ZipRecord {
  /** In ASCII. */
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly crc32: number;
}

/** The data of each record starts at a multiple of this. */
export const ALIGNMENT = 64;

const LOCAL_HEADER_BYTES = 30;
const HAS_DESCRIPTOR = 1 << 3;
const UTF8_NAME = 1 << 11;

/** @throws Pth2tfjsError `limit` for 4 GiB, where sizes and offsets would need 64 bits. */
export function writeZip(records: readonly ZipRecord[]): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const record of records) {
    directory.push(centralHeader(record, at));
    for (const part of [localHeader(record, at), record.bytes, descriptor(record)]) {
      parts.push(part);
      at += part.length;
    }
  }
  const central = concatenate(directory);
  if (at + central.length > 0xffffffff) {
    throw new Pth2tfjsError('limit', `the archive would take ${at} bytes; the bound is 4 GiB`);
  }
  return concatenate([...parts, central, endRecords(records.length, central.length, at)]);
}

function ascii(text: string): number[] {
  return Array.from(text, (character) => character.charCodeAt(0));
}

/** miniz leaves the descriptor away where there is no data. */
function flags({ bytes }: ZipRecord): number {
  return bytes.length > 0 ? UTF8_NAME | HAS_DESCRIPTOR : UTF8_NAME;
}

function localHeader(record: ZipRecord, at: number): Uint8Array {
  const { name } = record;
  const unaligned = at + LOCAL_HEADER_BYTES + name.length + 4;
  const padding = (ALIGNMENT - (unaligned % ALIGNMENT)) % ALIGNMENT;
  return Uint8Array.of(
    ...ascii('PK\x03\x04'),
    ...u16(0), // version needed
    ...u16(flags(record)),
    ...[...u16(0), ...u32(0)], // stored; no time and date
    ...[...u32(0), ...u32(0), ...u32(0)], // checksum and sizes are in the descriptor
    ...u16(name.length),
    ...u16(4 + padding),
    ...ascii(name),
    ...ascii('FB'),
    ...u16(padding),
    ...ascii('Z'.repeat(padding)),
  );
}

function descriptor({ bytes, crc32 }: ZipRecord): Uint8Array {
  if (bytes.length === 0) return new Uint8Array(0);
  return Uint8Array.of(
    ...ascii('PK\x07\x08'),
    ...u32(crc32),
    ...u32(bytes.length),
    ...u32(bytes.length),
  );
}

function centralHeader(record: ZipRecord, at: number): Uint8Array {
  const { name, bytes, crc32 } = record;
  return Uint8Array.of(
    ...ascii('PK\x01\x02'),
    ...[...u16(0), ...u16(0)], // versions: made by, needed
    ...u16(flags(record)),
    ...[...u16(0), ...u32(0)], // stored; no time and date
    ...u32(crc32),
    ...u32(bytes.length),
    ...u32(bytes.length),
    ...u16(name.length),
    ...[...u16(0), ...u16(0), ...u16(0)], // extra field, comment, disk
    ...[...u16(0), ...u32(0)], // attributes
    ...u32(at),
    ...ascii(name),
  );
}

/** The zip64 end record, its locator, and the plain end record, which is filled in as well. */
function endRecords(count: number, size: number, offset: number): Uint8Array {
  const plainCount = u16(Math.min(count, 0xffff));
  return Uint8Array.of(
    ...ascii('PK\x06\x06'),
    ...u64(44), // bytes that follow in this record
    ...[...u16(0x31e), ...u16(45)], // versions: made by (Unix, 3.0), needed (4.5)
    ...[...u32(0), ...u32(0)], // disks
    ...[...u64(count), ...u64(count), ...u64(size), ...u64(offset)],
    ...ascii('PK\x06\x07'),
    ...[...u32(0), ...u64(offset + size), ...u32(1)],
    ...ascii('PK\x05\x06'),
    ...[...u16(0), ...u16(0)], // disks
    ...[...plainCount, ...plainCount, ...u32(size), ...u32(offset)],
    ...u16(0), // comment
  );
}
