import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isErrorCode } from '../../src/core/errors.ts'
import { endpoints } from '../../src/rest/endpoints.ts'
import { SeededRandom } from '../../tools/simulator/seeded-random.ts'
import { CLOUD_V1_PREFIX, type Rest, serveRest } from '../support/rest.ts'
import { createTestEnvironment, type TestEnvironment } from '../support/test-environment.ts'
import { mutate } from './mutate.ts'
import { selectScale } from '../support/scale.ts'

const { FUZZ_SEED = '1', FUZZ_REQUESTS = selectScale('100', '400') } = process.env
let world: TestEnvironment
let rest: Rest
let token = ''
let bodies: string[] = []
beforeAll(async () => {
  world = await createTestEnvironment()
  await world.authority.orders.create({ tag: 'HOST', quantity: 5 })
  rest = await serveRest(world)
  token = (await rest.clientToken({ scope: 'write' })).token
  const agent = await world.open()
  agent.setUsage('HOST', 2)
  await agent.register(await world.token())
  bodies = [
    ...world.network.sent.map(({ body }) => body),
    '{"name":"admin","password":"x"}',
    '{"grant_type":"client_credentials","client_id":"a","client_secret":"b"}',
    '{"virtualAccountName":"x","description":"y","limit":"10"}',
    '{}',
  ]
})
afterAll(() => world.close())

/** Returns paths with and without an endpoint. */
const paths = (): string[] => [
  ...['register', 'authorize', 'renew', 'deregister', 'acknowledge', 'hello', 'synchronize'].map(
    (type) => `/smart-agent/v1/${type}`,
  ),
  ...endpoints.flatMap(({ urls }) => urls.map((path) => path.replace(/[{:]([A-Za-z]+)}?/g, 'acme.example'))),
  ...['sign-in', 'instances', 'licenses', 'tokens', 'events', 'orders'].map((call) => `/api/v1/${call}`),
  '/oauth/token',
  `${CLOUD_V1_PREFIX}/v1/accounts`,
  '/health',
  '/ready',
  '/metrics',
  '/',
]

/** Escapes the characters that `node:http` refuses to send. */
const sendable = (path: string): string => `/${path.replace(/[^\x21-\x7e]/g, '%C3%28')}`.slice(0, 4_000)

describe('the HTTP servers', () => {
  it(
    'answer random requests with documented errors, without status 5xx and without changes to data',
    { timeout: 600_000 },
    async () => {
      const random = new SeededRandom(`${FUZZ_SEED} http`)
      const all = paths()
      const before = JSON.stringify([
        await world.authority.instances.list(),
        await world.authority.licenses.list(),
      ])
      const failures: string[] = []
      for (let i = 0; i < Number(FUZZ_REQUESTS); i++) {
        const method = random.pickWeighted([
          [6, 'POST'],
          [4, 'GET'],
          [1, 'PUT'],
          [1, 'DELETE'],
          [1, 'OPTIONS'],
          [1, 'PATCH'],
        ] as const)
        const path = sendable(
          random.nextBoolean(0.5) ? random.pick(all).slice(1) : mutate(random.pick(all), random).slice(1),
        )
        const body = random.pick(bodies)
        const text = random.nextBoolean(0.2) ? '' : random.nextBoolean(0.3) ? body : mutate(body, random)
        const type = random.pick([
          'application/json',
          'application/x-www-form-urlencoded',
          'text/plain',
          'x',
          'application/json; charset=utf-16',
        ])
        const headers = {
          'content-type': type,
          ...(random.nextBoolean(0.3) && {
            cookie: mutate('session=abc; x=y', random)
              .replace(/[^\x20-\x7e]/g, '')
              .slice(0, 2_000),
          }),
          ...(random.nextBoolean(0.2) && { accept: 'text/html' }),
        }
        const answer = await rest.send(path, {
          method,
          headers,
          ...(method !== 'GET' && { text }),
          ...(random.nextBoolean(0.5) && { token: random.nextBoolean(0.8) ? token : 'x'.repeat(40) }),
        })
        const exchange = `${method} ${path} ${type} ${text.slice(0, 300)}: ${answer.status} ${answer.text.slice(0, 300)}`
        if (answer.status >= 500) failures.push(exchange)
        const code: unknown = answer.json?.error?.code
        if (
          path.startsWith('/smart-agent/') &&
          answer.status >= 400 &&
          !(typeof code === 'string' && isErrorCode(code))
        )
          failures.push(exchange)
      }
      expect(failures).toEqual([])
      expect(rest.logged).toEqual([])
      expect(
        JSON.stringify([await world.authority.instances.list(), await world.authority.licenses.list()]),
      ).toBe(before)
    },
  )
})
