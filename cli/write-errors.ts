import { constants as osConstants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { isPth2tfjsError, Pth2tfjsError } from '../src/base/errors.js';

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: 'free some space, or choose a folder on another disk',
  EDQUOT: 'free some of the disk quota, or choose a folder on another disk',
  EFBIG: 'raise the file size limit (ulimit -f), or choose a folder on another disk',
  EACCES: 'choose a folder that this user may write to',
  EPERM: 'choose a folder that this user may write to',
  EROFS: 'choose a folder on a disk that is not read-only',
  EXDEV: 'choose another folder, for this one cannot be renamed',
  EBUSY: 'choose another folder, for this one is in use',
  ENAMETOOLONG: 'choose a shorter name',
};

export function failure(target: string, error: unknown): unknown {
  const code = codeOf(error);
  if (isPth2tfjsError(error) || code === undefined) return error;
  if (code === 'ENOTEMPTY' || code === 'EEXIST') return notEmpty(target);
  const hint = HINTS[isQuota(error) ? 'EDQUOT' : code] ?? 'choose another folder';
  const text = `cannot write ${target}: ${words(error)}`;
  return new Pth2tfjsError('io', text, { hint, cause: error });
}

export function notEmpty(target: string): Pth2tfjsError {
  return new Pth2tfjsError('usage', `${target} is not empty`, {
    hint: 'choose another folder or pass --force',
  });
}

/** Such as `no space left on device (ENOSPC)`. */
export function words(error: unknown): string {
  if (isQuota(error)) return 'disk quota exceeded (EDQUOT)';
  const { code, errno, message } = error as NodeJS.ErrnoException;
  return `${getSystemErrorMap().get(errno ?? 0)?.[1] ?? message} (${code})`;
}

/** libuv has no name for this one and hands the bare number on. */
function isQuota(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).errno === -osConstants.errno.EDQUOT;
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}
