import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  faultCatalog,
  type FaultName,
  createMockAuthority,
  type MockAuthority,
  type FaultNetwork,
} from '../../mocks/index.ts'
import { LicensingError, SmartAgent } from '../../src/index.ts'
import { isAnswerFault } from '../../src/faults/index.ts'
import { MINUTE } from '../../src/core/time.ts'
import { VirtualClock } from '../../mocks/testing.ts'

/** Secret that must not appear in any output, whatever fault occurs. */
const PASSWORD = 'canary-password-5f1'
let clock: VirtualClock
let mock: MockAuthority
let network: FaultNetwork
let directory: string
const seen: string[] = []
const tokens: string[] = []

beforeAll(async () => {
  clock = new VirtualClock(Date.now())
  mock = await createMockAuthority({ clock })
  network = await mock.listen()
  directory = mkdtempSync(join(tmpdir(), 'sla-canaries-'))
})
afterAll(async () => {
  await mock.close()
  rmSync(directory, { recursive: true, force: true })
})

const names = (Object.keys(faultCatalog) as FaultName[]).filter((name) => name !== 'delay')

it('R-NET-3, R-TOK-4: no secret reaches a log, an error, an event, a file of others or the process list', async () => {
  const note = (...things: unknown[]) => {
    for (const thing of things)
      seen.push(typeof thing === 'string' ? thing : inspect(thing, { depth: 8, showHidden: true }))
  }
  const log = (text: string, fields?: object) => note(text, fields ?? {})
  const device = join(directory, 'device')
  const agent = await SmartAgent.open({
    dataDir: device,
    product: { pid: 'CWMS-K9', version: '4.0', serial: 'CANARY' },
    trust: mock.trustAnchor,
    clock,
    heartbeat: false,
    logger: { error: log, warn: log, info: log, debug: log },
    lookup: network.lookup,
  })
  agent.on('notice', (notice) => note(notice))
  agent.on('transition', (transition) => note(transition))
  agent.on('state', (status) => note(status))
  const proxied = { ...network.settings('proxy'), username: 'bob', password: PASSWORD }
  note(agent.transport.set(proxied))

  for (const fault of names) {
    const { token } = await mock.authority.tokens.create({ days: 30 })
    tokens.push(token.split('.').at(-1) ?? '')
    if (isAnswerFault(fault)) mock.setFaults(fault)
    else await mock.setConnectionFault(fault)
    const error: unknown = await agent.register(token, { force: true }).catch((reason: unknown) => reason)
    if (error instanceof LicensingError) note(error, error.stack ?? '', JSON.stringify(error))
    note(await agent.transport.test())
    note(agent.status(), agent.explain(), agent.history(10))
    mock.setFaults()
    await mock.setConnectionFault(null)
    clock.advance(5 * MINUTE)
    agent.tick()
    await agent.idle()
  }
  expect(agent.status().state).toBe('authorized')
  note(agent.history(10_000), await mock.authority.operations.events.list())
  note(execFileSync('ps', ['axww', '-o', 'args'], { encoding: 'utf8' }))
  await agent.close()

  const secrets = [PASSWORD, Buffer.from(`bob:${PASSWORD}`).toString('base64'), ...tokens]
  expect(secrets.every((secret) => secret.length > 10)).toBe(true)
  const leaks = seen.filter((text) => secrets.some((secret) => text.includes(secret)))
  expect(leaks).toEqual([])
  // The test is meaningful only if there was much output.
  expect(seen.length).toBeGreaterThan(10 * names.length)

  for (const name of readdirSync(device, { recursive: true, encoding: 'utf8' })) {
    const path = join(device, name)
    expect(statSync(path).mode & 0o077).toBe(0)
    // Tokens are deleted after registration, and the password is encrypted.
    if (statSync(path).isFile()) {
      const bytes = readFileSync(path).toString('latin1')
      expect(secrets.filter((secret) => bytes.includes(secret))).toEqual([])
    }
  }
})
