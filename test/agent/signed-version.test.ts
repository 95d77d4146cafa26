import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SmartAgent } from '../../src/index.ts'
import { DAY } from '../../src/core/time.ts'
import { createTestEnvironment, advance, type TestEnvironment } from '../support/test-environment.ts'

const NINETY_DAYS = 90 * 86_400

let world: TestEnvironment
let agent: SmartAgent
const product = { pid: 'CWMS-K9', version: '3.0', serial: 'DEVICE' }
beforeEach(async () => {
  world = await createTestEnvironment()
  agent = await world.open('device', { product })
  await advance(world, agent, 10 * DAY)
})
afterEach(() => world.close())

const remaining = () => agent.status().evaluation.remainingSeconds
const orderKit = () => world.authority.orders.create({ sku: 'CWMS4-UPG-MG-K9', quantity: 1 })
const register = async () => agent.register(await world.token())

describe('R-EVAL-2: an upgrade to a major version by a command', () => {
  it('starts an evaluation if the authority has signed that version for the account', async () => {
    await orderKit()
    await register()
    await agent.upgrade('4.1')
    expect(agent.status()).toMatchObject({ state: 'evaluation', product: { version: '4.1' } })
    expect(remaining()).toBe(NINETY_DAYS)
  })

  it('starts no evaluation without a signed version or for a higher major version', async () => {
    const left = remaining()
    await register()
    await agent.upgrade('4.0')
    expect(remaining()).toBe(left)
    await orderKit()
    await register()
    await agent.upgrade('5.0')
    expect(agent.status().product.version).toBe('5.0')
    expect(remaining()).toBe(left)
  })

  it('starts the evaluation of a version only once', async () => {
    await orderKit()
    await register()
    await agent.upgrade('4.0')
    await advance(world, agent, DAY)
    const left = remaining()
    expect(left).toBeLessThan(NINETY_DAYS)
    await agent.close()
    agent = await world.open('device', { product: { ...product, version: '4.2' } })
    expect(remaining()).toBeLessThanOrEqual(left)
  })

  it('starts the evaluation after a crash between the command and the end of the registration', async () => {
    await orderKit()
    await register()
    agent.upgrade('4.1').catch(() => undefined)
    await agent.close()
    agent = await world.open('device', { product: undefined as never })
    await agent.idle()
    expect(agent.status()).toMatchObject({ state: 'evaluation', product: { version: '4.1' } })
    expect(remaining()).toBe(NINETY_DAYS)
  })
})
