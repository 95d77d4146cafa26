/** Version of this package, equal to `package.json`. */
export const VERSION = '0.1.0'
