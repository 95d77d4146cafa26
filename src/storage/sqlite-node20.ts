import { createRequire } from 'node:module'
import type Sqlite from 'better-sqlite3'
import { errnoCode } from '../core/errno-code.ts'

/**
 * Loads better-sqlite3 12, which a checkout installs for Node 20. The published library contains a function that returns
 * null instead (`scripts/bundle-library.mjs`).
 */
export function loadForNode20(): typeof Sqlite | null {
  try {
    return createRequire(import.meta.url)('better-sqlite3-node20') as typeof Sqlite
  } catch (error) {
    if (errnoCode(error) !== 'MODULE_NOT_FOUND') throw error
    return null
  }
}
