import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AgentStore } from '../../src/agent/store.ts'
import { LicensingError } from '../../src/core/errors.ts'
import { Database } from '../support/sqlite.ts'

let dataDir: string
beforeEach(async () => {
  dataDir = join(mkdtempSync(join(tmpdir(), 'sla-')), 'device')
  mkdirSync(dataDir, { mode: 0o700 })
  ;(await AgentStore.open(dataDir, { create: true })).close()
})
afterEach(() => {
  rmSync(join(dataDir, '..'), { recursive: true, force: true })
})

const file = () => join(dataDir, 'agent.db')
const digest = () => createHash('sha256').update(readFileSync(file())).digest('hex')
function setVersion(version: number): void {
  const database = new Database(file())
  database.pragma(`user_version = ${version}`)
  database.close()
}
async function openingCode(): Promise<string> {
  try {
    ;(await AgentStore.open(dataDir, { create: false })).close()
  } catch (error) {
    if (error instanceof LicensingError) return error.code
    throw error
  }
  return 'opened'
}

describe('the data version of an agent', () => {
  it('is 1, and opens again', async () => {
    expect(await openingCode()).toBe('opened')
    const database = new Database(file(), { readonly: true })
    expect(database.pragma('user_version', { simple: true })).toBe(1)
    database.close()
  })

  it.each([
    [0, 'the data of a development build with DATA_VERSION_UNSUPPORTED', 'DATA_VERSION_UNSUPPORTED'],
    [2, 'the data of a newer version with STORE_TOO_NEW', 'STORE_TOO_NEW'],
  ])('%i: makes it refuse %s and change nothing', async (version, _, code) => {
    setVersion(version)
    const before = digest()
    expect(await openingCode()).toBe(code)
    expect(digest()).toBe(before)
  })
})
