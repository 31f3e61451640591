/** Feature maps as PyTorch lays them out: NCHW, row-major. */
export interface Planes {
  readonly data: Float32Array;
  readonly images: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** One output pixel, all its channels with it. */
export interface Position {
  readonly image: number;
  readonly y: number;
  readonly x: number;
}

/** @param shape `[n, c, h, w]` or `[n, c]` */
export function planesOf(data: Float32Array, shape: readonly number[]): Planes {
  const [images = 0, channels = 0, height = 1, width = 1] = shape;
  return { data, images, channels, height, width };
}

export function sameSize(a: Planes, b: Planes): boolean {
  return a.channels === b.channels && a.height === b.height && a.width === b.width;
}

/** How many pixels a layer is judged by; a wrong layer is wrong nearly everywhere. */
const SAMPLES = 64;

/**
 * Pixels of every image, corners and edges among them, where padding shows; all of them where the maps
 * are small.
 */
export function samplePositions(
  { images, height, width }: Pick<Planes, 'images' | 'height' | 'width'>,
  most = SAMPLES,
): Position[] {
  const each = Math.max(1, Math.ceil(most / images));
  return Array.from({ length: images }, (_, image) =>
    pixelsOf(height, width, each, image).map(([y, x]) => ({ image, y, x })),
  ).flat();
}

function pixelsOf(height: number, width: number, count: number, image: number): [number, number][] {
  const all = height * width;
  const at = (pixel: number): [number, number] => [Math.floor(pixel / width), pixel % width];
  if (all <= count) return Array.from({ length: all }, (_, pixel) => at(pixel));
  const [bottom, right] = [height - 1, width - 1];
  const [y, x] = [height >> 1, width >> 1];
  const border: [number, number][] = [
    [0, 0],
    [bottom, right],
    [0, x],
    [y, right],
    [bottom, 0],
    [y, 0],
    [bottom, x],
    [0, right],
  ];
  const edges = border.slice(0, Math.ceil(count / 2));
  // Steps of the golden section of the map meet every row and column in turn.
  const inner = Array.from({ length: count - edges.length }, (_, i) =>
    at(Math.floor((((i + 1 + image / 3) * 0.618033988749895) % 1) * all)),
  );
  return [...edges, ...inner];
}

/** Every pixel of some images. */
export function allPositions(
  { height, width }: Pick<Planes, 'height' | 'width'>,
  images: readonly number[],
): Position[] {
  return images.flatMap((image) =>
    Array.from({ length: height * width }, (_, i) => ({
      image,
      y: Math.floor(i / width),
      x: i % width,
    })),
  );
}

/** Where each image's largest value lies: there shows what is cut off above. */
export function largestPositions({ data, images, height, width }: Planes): Position[] {
  const [area, length] = [height * width, data.length / images];
  return Array.from({ length: images }, (_, image) => {
    let best = image * length;
    for (let i = best; i < (image + 1) * length; i++) {
      if ((data[i] as number) > (data[best] as number)) best = i;
    }
    const pixel = best % area;
    return { image, y: Math.floor(pixel / width), x: pixel % width };
  });
}

/** The values at some positions: `[positions, channels]`. */
export function valuesAt(planes: Planes, positions: readonly Position[]): Float64Array {
  const { data, channels, height, width } = planes;
  const out = new Float64Array(positions.length * channels);
  for (const [row, { image, y, x }] of positions.entries()) {
    for (let c = 0; c < channels; c++) {
      out[row * channels + c] = data[((image * channels + c) * height + y) * width + x] as number;
    }
  }
  return out;
}

/** One image of several. */
export function imageOf(planes: Planes, image: number): Planes {
  const length = planes.data.length / planes.images;
  const data = planes.data.subarray(image * length, (image + 1) * length);
  return { ...planes, data, images: 1 };
}

/** The images in another order. */
export function reorderImages(planes: Planes, order: readonly number[]): Planes {
  const length = planes.data.length / planes.images;
  const data = new Float32Array(length * order.length);
  for (const [to, from] of order.entries()) {
    data.set(planes.data.subarray(from * length, (from + 1) * length), to * length);
  }
  return { ...planes, data, images: order.length };
}
