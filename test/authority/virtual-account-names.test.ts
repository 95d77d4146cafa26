import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestEnvironment, getErrorCode, type TestEnvironment } from '../support/test-environment.ts'

let world: TestEnvironment
beforeAll(async () => {
  world = await createTestEnvironment()
  await world.authority.accounts.addVirtualAccount('East')
})
afterAll(() => world.close())

const add = (name: string) => world.authority.accounts.addVirtualAccount(name)

describe('the names of virtual accounts (R-ACC-1)', () => {
  it.each([['EAST'], ['default'], ['\uff25ast'], [' East '], ['East\u00a0']])(
    'are unique without regard to case, compatibility form and outer spaces: %j',
    async (name) => {
      expect(await getErrorCode(add(name))).toBe('ALREADY_EXISTS')
    },
  )

  it.each([
    ['East\u200b'],
    ['East\u{e0041}'],
    ['East\ud800'],
    ['Ea\u00adst'],
    ['East\u001b[2J'],
    ['\u202eEast'],
    [' '],
  ])('have no control or invisible characters: %j', async (name) => {
    expect(await getErrorCode(add(name))).toBe('INVALID_ARGUMENT')
  })

  it('are stored in one form, and found in every form', async () => {
    await add('E\u0301cole  North')
    const names = async () => (await world.authority.accounts.listVirtualAccounts()).map(({ name }) => name)
    expect(await names()).toContain('\u00c9cole North')
    expect(await getErrorCode(add('\u00e9COLE NORTH'))).toBe('ALREADY_EXISTS')
    await world.authority.tokens.create({ days: 1, virtualAccount: 'e\u0301cole north' })
    await world.authority.accounts.removeVirtualAccount('\u00c9COLE NORTH').catch((error: unknown) => {
      // The account has a valid token, so it was found.
      expect(error).toMatchObject({ code: 'VIRTUAL_ACCOUNT_IN_USE' })
    })
  })
})
