/** The version of this package, as in package.json; it goes into the models' provenance. */
export const VERSION = '0.2.0';
