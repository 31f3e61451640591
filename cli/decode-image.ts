import type { OutputInfo } from 'sharp';
import { Pth2tfjsError } from '../src/base/errors.js';
import type { RawImage } from '../src/image/preprocess.js';
import { decodeGif } from './decode-gif.js';
import { importPackage } from './import-package.js';

type Sharp = typeof import('sharp').default;

/** Pillow refuses more than twice its MAX_IMAGE_PIXELS as a decompression bomb. */
const MOST_PIXELS = 2 * Math.floor(2 ** 30 / 4 / 3);

/** What each format starts with; sharp reads more, but SVG and the like are programs, not photos. */
const FORMATS: Readonly<Record<string, RegExp>> = {
  JPEG: /^\xff\xd8\xff/,
  PNG: /^\x89PNG/,
  WebP: /^RIFF.{4}WEBP/s,
  GIF: /^GIF8[79]a/,
};

/**
 * Decodes an image file as Pillow's `Image.open(f).convert("RGB")` does, pixel by pixel: alpha is
 * left out, an embedded colour profile and EXIF's orientation are ignored, of several frames the first
 * is taken. A truncated file is an error, as it is there.
 * @throws Pth2tfjsError `image` for a file that cannot be decoded so; `usage` where the optional
 *   package sharp is absent
 */
export async function decodeImage(bytes: Uint8Array): Promise<RawImage> {
  if (checkFormat(bytes) === 'GIF') return decodeGif(bytes, MOST_PIXELS);
  const sharp = await importSharp();
  const options = { failOn: 'truncated', ignoreIcc: true, limitInputPixels: MOST_PIXELS } as const;
  try {
    const image = sharp(bytes, options);
    const { space, width, height } = await image.metadata();
    checkSpace(space, bytes);
    const { data, info } = await image
      .removeAlpha()
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return checkDecoded(data, info, width, height);
  } catch (error) {
    throw decodeError(error);
  }
}

function checkFormat(bytes: Uint8Array): string {
  const head = String.fromCharCode(...bytes.subarray(0, 16));
  const format = Object.keys(FORMATS).find((name) => FORMATS[name]?.test(head));
  if (format !== undefined) return format;
  const what = bytes.length === 0 ? 'the file is empty' : 'the file is no image that can be read';
  throw new Pth2tfjsError('image', what, { hint: `pass ${Object.keys(FORMATS).join(', ')}` });
}

async function importSharp(): Promise<Sharp> {
  try {
    return ((await importPackage('sharp')) as { readonly default: Sharp }).default;
  } catch (cause) {
    const message = 'images are decoded by the optional package sharp, which cannot be loaded';
    throw new Pth2tfjsError('usage', message, { hint: 'npm install sharp', cause });
  }
}

/** Where a PNG says what a pixel is made of. */
const PNG_COLOUR_TYPE = 25;

/** Where Pillow's own conversion to RGB is none that anyone wants to match. */
function checkSpace(space: string, bytes: Uint8Array): void {
  const refused: Readonly<Record<string, string>> = {
    cmyk: 'the colours are CMYK',
    grey16: 'the image is greyscale with 16 bits, which Pillow cuts off at 255',
  };
  const why = refused[space];
  const greyWithAlpha = space === 'grey16' && bytes[PNG_COLOUR_TYPE] === 4;
  if (why === undefined || greyWithAlpha) return;
  throw new Pth2tfjsError('image', why, { hint: 'save the image as RGB with 8 bits a channel' });
}

function checkDecoded(data: Buffer, info: OutputInfo, width: number, height: number): RawImage {
  if (info.channels === 3 && info.width === width && info.height === height) {
    return { data, width, height };
  }
  const found = `${info.width}x${info.height} with ${info.channels} channels`;
  throw new Pth2tfjsError('image', `the image was decoded to ${found}, not ${width}x${height} RGB`);
}

function decodeError(error: unknown): Pth2tfjsError {
  if (error instanceof Pth2tfjsError) return error;
  const [told = ''] = String((error as Error).message).split('\n');
  // libvips keeps one text for all threads; an image beside this one may have taken it away.
  const reason = told === 'Unknown error' ? 'the file is damaged' : told;
  const large = /pixel limit/.test(reason);
  return new Pth2tfjsError(
    'image',
    large
      ? `the image holds more than ${MOST_PIXELS} pixels`
      : `the image cannot be decoded: ${reason}`,
    { hint: large ? 'make it smaller first' : 'copy or download it again', cause: error },
  );
}
