import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Authority } from '../../src/authority/index.ts'
import { MIGRATIONS } from '../../src/authority/store/migrations/index.ts'
import { AuthorityStore } from '../../src/authority/store/store.ts'
import { Database } from '../support/sqlite.ts'
import { createGoldenAuthority } from '../support/golden.ts'
import { getErrorCode } from '../support/test-environment.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sla-'))
})
afterEach(() => {
  rmSync(directory, { recursive: true, force: true })
})

/** Returns a SHA-256 digest of each file in a directory, recursively. */
const digestFiles = (path: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((file) => file.isFile())
      .map(({ parentPath, name }) => {
        const file = join(parentPath, name)
        return [file, createHash('sha256').update(readFileSync(file)).digest('hex')]
      }),
  )

/** Changes the database of a data directory with plain SQL. */
function alter(dataDir: string, statements: string): void {
  const database = new Database(join(dataDir, 'authority.db'))
  database.exec(statements)
  database.close()
}

describe('the data version of an authority', () => {
  it.each([
    [
      'without a recorded migration',
      'drop table schema_migrations; create table migrations (number integer primary key);',
    ],
    [
      'with a different hash of the first migration',
      `update schema_migrations set name = '0001-initial.000000000000'`,
    ],
    ['with a migration of a different name', `update schema_migrations set name = '0001-first'`],
  ])('refuses a development state %s and changes nothing', async (_, statements) => {
    const dataDir = createGoldenAuthority(directory)
    alter(dataDir, statements)
    const before = digestFiles(dataDir)
    expect(await getErrorCode(Authority.open({ dataDir }))).toBe('DATA_VERSION_UNSUPPORTED')
    expect(digestFiles(dataDir)).toEqual(before)
  })

  it('refuses a newer version and changes nothing', async () => {
    const dataDir = createGoldenAuthority(directory)
    alter(
      dataDir,
      `insert into schema_migrations values ('0002-next.000000000000', '2027-01-01T00:00:00.000Z')`,
    )
    const before = digestFiles(dataDir)
    await expect(Authority.open({ dataDir })).rejects.toMatchObject({
      code: 'STORE_TOO_NEW',
      message: 'The database has data version 2, but this program supports versions up to 1.',
    })
    expect(digestFiles(dataDir)).toEqual(before)
  })

  it('is migrated once when several stores open a new database at the same time', async () => {
    const dataDir = join(directory, 'new')
    mkdirSync(dataDir, { mode: 0o700 })
    const stores = await Promise.all(Array.from({ length: 8 }, () => AuthorityStore.open(dataDir)))
    for (const store of stores) {
      expect(await store.version()).toBe(1)
      await store.close()
    }
    const database = new Database(join(dataDir, 'authority.db'), { readonly: true })
    expect(database.prepare('select name from schema_migrations').pluck().all()).toEqual([MIGRATIONS[0].name])
    database.close()
  })
})
