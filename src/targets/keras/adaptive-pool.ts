import type { Pair } from '../../network/value.js';
import { numel } from '../../numbers/shape.js';

/**
 * nn.AdaptiveAvgPool2d as a matrix, `[height * width, output height * output width]`. Source: PyTorch,
 * aten/src/ATen/native/AdaptivePooling.h: from `floor(i * size / output)` to
 * `ceil((i + 1) * size / output)`.
 */
export function adaptivePool([height, width]: Pair, output: Pair): Float32Array {
  const [rows, columns] = [windows(height, output[0]), windows(width, output[1])];
  const pooled = numel(output);
  const matrix = new Float32Array(height * width * pooled);
  for (const [i, vertical] of rows.entries()) {
    for (const [j, horizontal] of columns.entries()) {
      const share = 1 / (length(vertical) * length(horizontal));
      for (let y = vertical.start; y < vertical.end; y++) {
        for (let x = horizontal.start; x < horizontal.end; x++) {
          matrix[(y * width + x) * pooled + i * output[1] + j] = share;
        }
      }
    }
  }
  return matrix;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

function windows(size: number, output: number): Span[] {
  return Array.from({ length: output }, (_, i) => ({
    start: Math.floor((i * size) / output),
    end: Math.ceil(((i + 1) * size) / output),
  }));
}

function length({ start, end }: Span): number {
  return end - start;
}
