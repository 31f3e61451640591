import { Pth2tfjsError } from '../base/errors.js';

/** What is wrong with a model of TensorFlow.js, after `the model …`. */
export function damaged(message: string, cause?: unknown): Pth2tfjsError {
  return new Pth2tfjsError('model', `the model ${message}`, {
    hint: 'convert the checkpoint again',
    ...(cause === undefined ? {} : { cause }),
  });
}
