/**
 * ONNX Runtime's JavaScript API, as far as it is used here: that of `onnxruntime-node`, and of `onnxruntime-web`.
 * Source: onnxruntime-common's type declarations.
 */
export interface OnnxRuntime {
  readonly InferenceSession: {
    create(model: Uint8Array, options?: SessionOptions): Promise<Session>;
  };
  readonly Tensor: new (
    type: 'float32' | 'uint8',
    data: Float32Array | Uint8Array,
    dims: readonly number[],
  ) => OnnxTensorValue;
  readonly env: {
    logLevel?: string | undefined;
    /** The versions of the packages: `node` or `web`, and `common`. */
    readonly versions: { readonly [Package in 'common' | 'node' | 'web']?: string | undefined };
  };
}

export interface SessionOptions {
  readonly executionProviders?: readonly (string | { readonly name: string })[];
  readonly logSeverityLevel?: 0 | 1 | 2 | 3 | 4;
  readonly extra?: Record<string, unknown>;
}

export interface Session {
  run(
    feeds: Readonly<Record<string, OnnxTensorValue>>,
  ): Promise<Readonly<Record<string, OnnxTensorValue>>>;
  release(): Promise<void>;
}

export interface OnnxTensorValue {
  readonly dims: readonly number[];
  /** Where the values lie in memory that JavaScript sees. */
  readonly data: unknown;
}
