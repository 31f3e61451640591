/** Tar archives, which are told apart and not read. Source: POSIX.1-1988, ustar interchange format. */

const BLOCK_BYTES = 512;
/** So many members are looked at; torch's archives have four. */
const MAX_MEMBERS = 1000;

/** The names of a tar archive's members, as far as its headers can be followed. */
function memberNames(bytes: Uint8Array): string[] {
  const names: string[] = [];
  for (let at = 0; at + BLOCK_BYTES <= bytes.length && names.length < MAX_MEMBERS; ) {
    const text = (from: number, length: number) => {
      const field = bytes.subarray(at + from, at + from + length);
      return new TextDecoder('latin1').decode(field).replace(/\0.*$/s, '');
    };
    const name = text(0, 100);
    const size = Number.parseInt(text(124, 12), 8);
    if (name === '' || !Number.isSafeInteger(size)) break;
    names.push(name.replace(/^\.\//, ''));
    at += BLOCK_BYTES * (1 + Math.ceil(size / BLOCK_BYTES));
  }
  return names;
}

/** What torch put into its archives: torch/serialization.py, legacy_load. */
const TORCH_MEMBERS = ['sys_info', 'pickle', 'storages', 'tensors'];

/** What a tar archive is, by its members, and what to do with it. */
export function describeTar(bytes: Uint8Array): readonly [what: string, hint: string] {
  const names = memberNames(bytes);
  if (TORCH_MEMBERS.every((member) => names.includes(member))) {
    return [
      'a tar archive, as torch wrote before 0.2',
      "make it again where it came from, in Python: torch.save(model.state_dict(), 'out.pth')",
    ];
  }
  const shown = names.slice(0, 3).join(', ') + (names.length > 3 ? ', …' : '');
  return [`a tar archive that holds ${shown || 'nothing'}`, 'unpack it first: tar -xf FILE'];
}
