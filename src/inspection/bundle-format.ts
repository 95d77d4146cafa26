/** Format of support bundles. A program that reads a bundle refuses a newer format. */
export const BUNDLE_FORMAT = 1
