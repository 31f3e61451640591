/** The types that float32 numbers are written in. */
export const FLOAT_DTYPES = ['float32', 'float16', 'bfloat16', 'float64'] as const;
export type FloatDType = (typeof FLOAT_DTYPES)[number];
