import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createMachine } from 'xstate'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createPrograms, parseError, type Programs } from '../support/programs.ts'

let programs: Programs
beforeEach(() => {
  programs = createPrograms()
})
afterEach(() => programs.close())

const init = ['init', '--pid', 'CWMS-K9', '--serial', 'SN1', '--json']

describe('R-INS-4: smart-agent what-if', () => {
  it('says what would happen to a new device, and to this one, and touches nothing', async () => {
    const { agent, good } = programs
    const fresh = await agent(['what-if', '--days', '120', '--authority', 'unreachable'])
    expect(fresh.stdout).toContain('From day 91 only license management works.')
    expect(fresh.stdout).toContain('EVAL_EXPIRED')
    expect(fresh.stdout).toContain('Nothing real was touched.')

    await good(agent(init))
    const before = await good(agent(['events', '--json']))
    expect(await good(agent(['what-if', '--days', '100', '--json']))).toMatchObject({
      states: [{ state: 'evaluation' }, { state: 'unregistered' }],
      functionality: [{ functionality: 'full' }, { functionality: 'license-management-only' }],
      attempts: { answered: 0, unanswered: 0 },
      ignored: [],
    })
    expect(await good(agent(['events', '--json']))).toEqual(before)
  })

  it('starts from a past transition, sends events, and refuses those that do not exist', async () => {
    const { agent, good } = programs
    const alone = await agent(['what-if', '--days', '1', '--after', '1', '--json'])
    expect(parseError(alone).code).toBe('INVALID_ARGUMENT')
    await good(agent(init))
    const { events } = await good<{ events: { id: number }[] }>(agent(['events', '--json']))
    const run = async (...words: string[]) => agent(['what-if', '--days', '30', ...words, '--json'])
    expect(await good(run('--after', String(events[0]?.id)))).toMatchObject({
      states: [{ state: 'evaluation' }],
    })
    expect(parseError(await run('--after', '999')).code).toBe('NOT_FOUND')
    expect(await good(run('--send', 'registration.start={"force":false,"again":false}'))).toMatchObject({
      states: [{ state: 'evaluation' }, { state: 'registered' }, { state: 'authorized' }],
      ignored: [],
    })
    expect(await good(run('--send', 'registration.renew'))).toMatchObject({ ignored: ['registration.renew'] })
    for (const event of [
      'register',
      'usage.changed',
      'usage.changed={"tag":"HOST","count":-1}',
      'usage.changed={',
    ])
      expect(parseError(await run('--send', event)).code, event).toBe('INVALID_ARGUMENT')
  })

  it.each(['-1', '3651', 'soon', ''])('refuses %j days', async (days) => {
    const refused = await programs.agent(['what-if', '--days', days, '--json'])
    expect([refused.code, parseError(refused).code]).toEqual([2, 'INVALID_ARGUMENT'])
  })
})

describe('R-INS-3: smart-agent support and inspect', () => {
  it('write a bundle, and serve it to a browser that has the key', async () => {
    const { agent, good } = programs
    await good(agent(init))
    const file = join(programs.directory, 'bundle.json')
    expect(await good(agent(['support', '--out', file, '--json']))).toEqual({ file })
    const bundle = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
    expect(bundle).toMatchObject({ format: 1, status: { state: 'evaluation', product: { serial: 'SN1' } } })

    const served = await programs.serve('smart-agent', ['inspect', file])
    const url = new URL(served.line.replace('The inspector is on ', ''))
    expect(url.hostname).toBe('127.0.0.1')
    expect(await (await fetch(new URL(`/bundle${url.search}`, url))).json()).toMatchObject({
      kind: 'bundle',
      bundle: { status: { product: { serial: 'SN1' } } },
    })
    expect((await fetch(new URL('/bundle?key=guess', url))).status).toBe(403)
    const page = await fetch(url)
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(await page.text()).toContain('<div id="root">')
    expect(await served.stop()).toBe(0)
  })

  it('refuse what is no bundle, and an address that others reach', async () => {
    const { agent } = programs
    const run = async (...words: string[]) => parseError(await agent(['inspect', ...words, '--json'])).code
    expect(await run('/nonexistent')).toBe('FILE_UNREADABLE')
    expect(await run('package.json')).toBe('BUNDLE_MALFORMED')
    expect(await run('--listen', '0.0.0.0:0')).toBe('INVALID_ARGUMENT')
  })
})

describe('R-INS-5: smart-agent machine', () => {
  it('prints the overview, each region, and a configuration that createMachine takes', async () => {
    const { agent } = programs
    const print = async (...words: string[]) => (await agent(['machine', ...words])).stdout
    expect(await print()).toContain('no contact until the deadline')
    expect(await print('--region', 'reservation')).toContain('state "returning" as reservation__returning')
    expect(await print('--format', 'svg', '--region', 'connection')).toMatch(/^<svg[^>]*>/)
    const machine = createMachine(JSON.parse(await print('--format', 'xstate')) as never)
    expect(Object.keys(machine.root.states)).toEqual(['registration', 'license', 'reservation', 'connection'])
  })
})
