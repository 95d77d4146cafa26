import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import type { Explanation, Status } from '../../src/index.ts'
import { parseError, createPrograms, type Programs } from '../support/programs.ts'
import { createSampledTests } from '../support/scale.ts'

const { describe, it } = createSampledTests(4)

/** Built programs, with one device for each test. */
let programs: Programs
let url: string
beforeAll(async () => {
  programs = createPrograms()
  await programs.initAuthority()
  ;({ url } = await programs.serveAuthority())
})
afterAll(async () => {
  await programs.close()
})

let devices = 0
const newDevice = async (transportUrl = url): Promise<string> => {
  const name = `device-${++devices}`
  await programs.initDevice(transportUrl, name)
  return name
}
const explain = (device: string) => programs.good<Explanation>(programs.agent(['why', '--json'], { device }))

describe('a one-shot command', () => {
  it('register --no-wait makes the attempt before it exits (R-UI-3)', async () => {
    const device = await newDevice()
    await programs.good(
      programs.agent(['register', await programs.token(), '--no-wait', '--json'], { device }),
    )
    expect((await programs.status({ device })).state).toBe('authorized')
  })

  it('register reads a token from standard input or a file, and refuses both at once (R-UI-3)', async () => {
    const device = await newDevice()
    const token = await programs.token()
    const file = join(programs.directory, 'token')
    writeFileSync(file, `${token}\n`)
    const twice = await programs.agent(['register', token, '--token-file', file, '--json'], { device })
    expect([twice.code, parseError(twice).code]).toEqual([2, 'USAGE'])
    await programs.good(programs.agent(['register', '-', '--json'], { device, input: `${token}\n` }))
    const again = programs.agent(['reregister', '--token-file', file, '--force', '--json'], { device })
    expect((await programs.good<Status>(again)).state).toBe('authorized')
  })

  it('never prints a token, even if it is mistyped', async () => {
    const device = await newDevice()
    const token = await programs.token()
    for (const words of [[`--token=${token}`], [token], ['--token-file', token]]) {
      for (const verb of [['register'], []]) {
        for (const form of [['--json'], []]) {
          const { stdout, stderr, code } = await programs.agent([...verb, ...words, ...form], { device })
          if (verb.length > 0 && words[0] === token) continue
          expect(code).not.toBe(0)
          expect(stdout + stderr).not.toContain(token.split('.').at(-1))
        }
      }
    }
  })

  it('deregister reports with a remedy if the authority was not reached (R-REG-5)', async () => {
    const device = await newDevice()
    await programs.good(programs.agent(['register', await programs.token(), '--json'], { device }))
    await programs.good(programs.agent(['transport', 'direct', 'https://localhost:1', '--json'], { device }))
    const ended = await programs.agent(['deregister', '--yes', '--json'], { device })
    const outputs = {
      code: 'CONNECTION_REFUSED',
      message: expect.stringMatching(/deregistered locally, but not at its authority/) as string,
      remedy: expect.stringMatching(/Remove the product instance/) as string,
    }
    expect([ended.code, parseError(ended)]).toEqual([1, outputs])
    const status = await programs.status({ device })
    expect(status).toMatchObject({ state: 'evaluation', registration: { failure: outputs } })
    expect((await explain(device)).problems).toMatchObject([outputs])
    const { stdout } = await programs.agent(['show'], { device })
    expect(stdout).toContain('Deregistration: FAILED')
  })

  it('transport direct resets the connection status', async () => {
    const device = await newDevice('https://localhost:1')
    const token = await programs.token()
    const failed = await programs.agent(['register', token, '--json'], { device })
    expect(parseError(failed).code).toBe('CONNECTION_REFUSED')
    expect((await programs.status({ device })).transport.link).toBe('down')
    await programs.good(programs.agent(['transport', 'direct', url, '--json'], { device }))
    expect((await programs.status({ device })).transport).toMatchObject({
      link: 'unknown',
      lastFailure: null,
    })
    // The next command makes the pending attempt over the new transport.
    await programs.good(programs.agent(['usage', 'set', 'HOST', '0', '--json'], { device }))
    expect((await programs.status({ device })).state).toBe('authorized')
  })

  it('prints the version (R-UI-3)', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
    for (const program of ['smart-agent', 'smart-authority']) {
      const { code, stdout } = await programs.run(program, ['--version'])
      expect([code, stdout.trim()]).toEqual([0, version])
    }
  })
})

describe('why', () => {
  it('reports a refused registration (R-TOK-4)', async () => {
    const device = await newDevice()
    const token = await programs.token()
    await programs.good(programs.authority(['token', 'revoke', token, '--json']))
    await programs.agent(['register', token], { device })
    expect((await explain(device)).problems).toMatchObject([{ code: 'TOKEN_REVOKED' }])
  })

  it('lists the events that end an out-of-compliance state (R-AUTH-2)', async () => {
    const device = await newDevice()
    await programs.good(programs.agent(['register', await programs.token(), '--json'], { device }))
    await programs.good(programs.agent(['usage', 'set', 'SYS-XL', '1', '--json'], { device }))
    const why = await explain(device)
    expect(why.state).toBe('out-of-compliance')
    expect(why.wouldChange).toContainEqual({
      event: expect.stringMatching(/buying more or using fewer/) as string,
      label: 'enough licenses',
      guard: 'isCompliant',
      code: 'IN_COMPLIANCE',
      state: 'authorized',
      at: null,
      effect: expect.any(String) as string,
    })
    expect(why.wouldChange.map(({ state }) => state)).not.toContain('out-of-compliance')
  })
})

describe('the command machine', () => {
  it('draws the state machine with its active states and the last transition (R-UI-4)', async () => {
    const device = await newDevice()
    await programs.good(programs.agent(['register', await programs.token(), '--json'], { device }))
    const { code, stdout, stderr } = await programs.agent(['machine', '--format', 'svg'], { device })
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^<svg [^]*<\/svg>\n$/)
    const active = [...stdout.matchAll(/class="state \w+ active" data-id="([^"]+)"/g)].map(([, id]) => id)
    expect(active).toEqual(
      expect.arrayContaining([
        'registration.registered.current',
        'license.authorized.current',
        'connection.up',
      ]),
    )
    expect(stdout).toContain('class="edge taken"')
  })

  it('draws the state machine without a data directory, by default as Mermaid (R-UI-4)', async () => {
    const nowhere = await programs.agent(['machine', '--format', 'svg'], { device: 'nowhere' })
    expect([nowhere.code, nowhere.stderr]).toEqual([0, ''])
    expect(nowhere.stdout).toContain('data-id="license.evaluation"')
    expect(nowhere.stdout).not.toContain(' active"')
    expect((await programs.agent(['machine'], { device: 'nowhere' })).stdout).toMatch(/^stateDiagram-v2/)
  })
})
