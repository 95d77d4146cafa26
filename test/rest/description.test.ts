import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { endpoints } from '../../src/rest/endpoints.ts'
import { type Rest, runCommand, serveRest } from '../support/rest.ts'
import { createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'

let world: TestEnvironment
let rest: Rest
const directory = mkdtempSync(join(tmpdir(), 'sla-rest-'))
beforeAll(async () => {
  world = await createTestEnvironment()
  rest = await serveRest(world)
})
afterAll(async () => {
  rmSync(directory, { recursive: true, force: true })
  await world.close()
})

describe('the OpenAPI document of the REST API', () => {
  it('requires an access token and describes every call', async () => {
    expect((await rest.send('/api/openapi.json')).status).toBe(401)
    const { token } = await rest.clientToken({ scope: 'read' })
    const { json } = await rest.send('/api/openapi.json', { token })
    expect(json.openapi).toBe('3.1.0')
    const described = Object.entries(json.paths as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    )
    const served = endpoints.map(
      ({ method, urls }) => `${method.toLowerCase()} ${(urls[0] ?? '').replace(/:(\w+)/g, '{$1}')}`,
    )
    expect(described).toEqual(expect.arrayContaining(served))
    expect(described.length).toBe(served.length + 4)
  })

  it('passes the Redocly linter', async () => {
    const { token } = await rest.clientToken()
    const file = join(directory, 'openapi.json')
    writeFileSync(file, (await rest.send('/api/openapi.json', { token })).text)
    const { code, stdout, stderr } = await runCommand(
      resolve('node_modules/.bin/redocly'),
      ['lint', '--extends=recommended', file],
      { env: { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' } },
    )
    expect([code, stdout + (code === 0 ? '' : stderr)]).toEqual([0, ''])
  })
})
