/** Where the server of the tests in browsers has the files of TensorFlow.js's wasm backend. */
export const WASM_FILES = '/node_modules/@tensorflow/tfjs-backend-wasm/dist/';
