import { createPrivateKey, type KeyObject, randomBytes, randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { ExchangeBatcher } from '../../src/authority/exchange/exchange-batcher.ts'
import type { DecidedRequest, SignedRequest } from '../../src/authority/exchange/requests.ts'
import { createServer } from '../../src/authority/serving/routes.ts'
import { LicensingError } from '../../src/core/errors.ts'
import { DAY, toIsoString, SECOND } from '../../src/core/time.ts'
import { createCsr, createSelfSigned, generateKey } from '../../src/pki/certificate-generation.ts'
import { signMessage } from '../../src/pki/signed-message.ts'
import { getErrorCode, createTestEnvironment } from '../support/test-environment.ts'

const NOW = Date.UTC(2026, 0, 1)
const ignored = { step: () => undefined }
let certificate: string
let privateKey: KeyObject
let key: KeyObject
let csr: string

beforeAll(async () => {
  const facts = { name: 'device', account: 'x', authorityId: 'y', notBefore: NOW, notAfter: NOW + DAY }
  const made = await createSelfSigned(facts)
  certificate = made.certificates[0] ?? ''
  privateKey = made.privateKey
  const pem = await generateKey()
  key = createPrivateKey(pem)
  csr = await createCsr(pem, 'device')
})

const envelope = () => ({
  protocol: 1,
  direction: 'request',
  messageId: randomUUID(),
  nonce: randomBytes(16).toString('base64url'),
  audience: 'some-authority',
  epoch: 1,
  trustBundle: 1,
})
const authorize = (version: string, deadlineAt?: string | null) =>
  signMessage(
    {
      ...envelope(),
      type: 'authorize',
      instanceId: randomUUID(),
      sequence: 1,
      lastAnswer: null,
      body: { entitlements: [], version, ...(deadlineAt !== undefined && { deadlineAt }) },
    },
    { type: 'sla-request+jws', privateKey, certificates: [certificate] },
  )
const register = (version: string) =>
  signMessage(
    {
      ...envelope(),
      type: 'register',
      body: {
        certificateRequest: csr,
        udi: { pid: 'P', serial: 'S', version },
        hostname: null,
        agentVersion: '1',
        force: false,
        token: { id: 'a', account: 'b', mac: 'c' },
        previous: null,
      },
    },
    { type: 'sla-request+jws', privateKey: key },
  )
const versionOf = ({ request }: SignedRequest): string =>
  request.type === 'register'
    ? request.body.udi.version
    : request.type === 'authorize'
      ? request.body.version
      : ''

/** A batcher whose transactions end at `next()` and take `millisecondsEach` on the clock for each request. */
function slowAuthority(millisecondsEach: number) {
  let time = 0
  const batches: string[][] = []
  let release: () => void = () => undefined
  const exchanges = new ExchangeBatcher<null>(
    {
      decide: async ({ requests }) => {
        batches.push(requests.map(versionOf))
        await new Promise<void>((resolve) => {
          release = resolve
        })
        time += millisecondsEach * requests.length
        const outcomes = requests.map(({ request }): DecidedRequest => ({
          request,
          audience: 'x',
          decision: { outcome: 'accepted' },
        }))
        return { outcomes, context: null }
      },
    },
    { wall: () => NOW, monotonic: () => time },
  )
  return {
    exchanges,
    batches,
    /** Ends the current transaction. */
    next: async () => {
      release()
      await settled()
    },
  }
}

/** Waits until all work that needs no timer is done. */
const settled = async () => {
  for (let i = 0; i < 3; i++) await new Promise(setImmediate)
}
const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => null,
    (error: unknown) => error,
  )

describe('exchanges that arrive during a transaction', () => {
  test('are batched into the next transaction by priority, with a share for each class', async () => {
    const { exchanges, batches, next } = slowAuthority(1)
    const near = toIsoString(NOW + DAY)
    const far = toIsoString(NOW + 60 * DAY)
    const all = [exchanges.submit('authorize', await authorize('first', far), ignored)]
    await settled()
    for (let i = 0; i < 100; i++)
      all.push(exchanges.submit('authorize', await authorize(`routine-${i}`, far), ignored))
    for (let i = 0; i < 30; i++) all.push(exchanges.submit('register', await register(`new-${i}`), ignored))
    for (let i = 0; i < 30; i++)
      all.push(exchanges.submit('authorize', await authorize(`near-${i}`, near), ignored))
    all.push(exchanges.submit('authorize', await authorize('without', null), ignored))
    await settled()
    expect(batches).toEqual([['first']])
    expect(exchanges.queueLength).toBe(162)
    await next()
    const second = batches[1] ?? []
    expect(second).toHaveLength(64)
    const counted = (prefix: string) => second.filter((name) => name.startsWith(prefix)).length
    // Each class has a few guaranteed places. Near deadlines come next, then registrations.
    expect([counted('near'), counted('new'), counted('routine')]).toEqual([30, 26, 8])
    expect(second.filter((name) => name.startsWith('routine'))).toEqual(
      Array.from({ length: 8 }, (_, i) => `routine-${i}`),
    )
    await next()
    const third = batches[2] ?? []
    expect(third).toContain('without')
    expect(third.filter((name) => name.startsWith('new'))).toHaveLength(4)
    while (exchanges.queueLength > 0) await next()
    await Promise.all(all)
    expect(batches.flat()).toHaveLength(162)
    expect(new Set(batches.flat()).size).toBe(162)
  })

  test('are rejected with AUTHORITY_BUSY and distinct retry times when the queue is too long', async () => {
    const { exchanges, next } = slowAuthority(50)
    const far = toIsoString(NOW + 60 * DAY)
    // Let the batcher measure 50 ms an exchange.
    const known = await authorize('x', far)
    for (let i = 0; i < 30; i++) {
      const some = Array.from({ length: 60 }, () => exchanges.submit('authorize', known, ignored))
      await settled()
      while (exchanges.queueLength > 0) await next()
      await Promise.all(some)
    }
    const admitted = []
    const rejected: LicensingError[] = []
    for (let i = 0; i < 120; i++) {
      const submitted = exchanges.submit('authorize', await authorize('x', far), ignored)
      const failure = await Promise.race([failureOf(submitted), settled().then(() => null)])
      if (failure instanceof LicensingError) rejected.push(failure)
      else admitted.push(submitted)
    }
    // Routine exchanges wait at most 4 s, at 50 ms each.
    expect(admitted.length).toBeGreaterThan(70)
    expect(admitted.length).toBeLessThan(95)
    expect(new Set(rejected.map(({ code }) => code))).toEqual(new Set(['AUTHORITY_BUSY']))
    const retryTimes = rejected.map(({ retryAfterMs = 0 }) => retryAfterMs)
    expect(retryTimes).toEqual([...retryTimes].sort((a, b) => a - b))
    expect(new Set(retryTimes).size).toBe(retryTimes.length)
    // The retry times cover the time that the queue and the rejected exchanges need, plus a reserve.
    expect(Math.min(...retryTimes)).toBeGreaterThanOrEqual(4 * SECOND)
    expect(Math.max(...retryTimes)).toBeCloseTo(4 * SECOND + retryTimes.length * 50 * 1.5, -3)
    expect(exchanges.isOverloaded).toBe(true)
    // Urgent exchanges are admitted even under overload.
    exchanges.admit('register')
    const urgent = exchanges.submit('authorize', await authorize('near', toIsoString(NOW + DAY)), ignored)
    await settled()
    while (exchanges.queueLength > 0) await next()
    await Promise.all([...admitted, urgent])
    expect(exchanges.isOverloaded).toBe(false)
  })

  test('fail independently: an error in one exchange rolls back that exchange alone', async () => {
    const tried: string[][] = []
    const exchanges = new ExchangeBatcher<null>(
      {
        decide: async ({ requests }) => {
          const names = requests.map(versionOf)
          tried.push(names)
          await Promise.resolve()
          if (names.includes('worse')) throw new LicensingError('INVALID_ARGUMENT', 'nothing to be kept')
          if (names.includes('bad')) throw new TypeError('an accident')
          const outcomes = requests.map((signed) =>
            versionOf(signed) === 'refused'
              ? new LicensingError('REQUEST_MALFORMED', 'no')
              : { request: signed.request, audience: 'x', decision: { outcome: 'accepted' as const } },
          )
          return { outcomes, context: null }
        },
      },
      { wall: () => NOW, monotonic: () => 0 },
    )
    const all = await Promise.all(
      ['a', 'b', 'bad', 'worse', 'refused', 'c']
        .map(async (name) => exchanges.submit('register', await register(name), ignored))
        .map(failureOf),
    )
    expect(all.map((failure) => (failure instanceof LicensingError ? failure.code : failure))).toEqual([
      null,
      null,
      'INTERNAL',
      'INVALID_ARGUMENT',
      'REQUEST_MALFORMED',
      null,
    ])
    expect(tried.filter(([name, more]) => name === 'c' && more === undefined)).toHaveLength(1)
  })

  test('are not retried one by one when the database is unreachable', async () => {
    let tried = 0
    const exchanges = new ExchangeBatcher<null>(
      {
        decide: () => {
          tried++
          return Promise.reject(new LicensingError('DATABASE_UNREACHABLE', 'unreachable'))
        },
      },
      { wall: () => NOW, monotonic: () => 0 },
    )
    const all = await Promise.all(
      ['a', 'b', 'c']
        .map(async (name) => exchanges.submit('register', await register(name), ignored))
        .map(failureOf),
    )
    expect(
      all.every((failure) => failure instanceof LicensingError && failure.code === 'DATABASE_UNREACHABLE'),
    ).toBe(true)
    expect(tried).toBeLessThan(3)
  })
})

test('an overloaded server answers 503 with Retry-After and closes the connection before it reads a body', async () => {
  const refusals: string[] = []
  const server = createServer({
    tls: null,
    limiter: null,
    endpoint: {
      admit: (type) => {
        refusals.push(type)
        throw new LicensingError('AUTHORITY_BUSY', 'Too many.', { retryAfterMs: 12_345 })
      },
      handle: () => Promise.reject(new Error('it was read')),
      identify: () => Promise.reject(new Error('it was read')),
      synchronize: () => Promise.reject(new Error('it was read')),
      satellites: { isKnown: () => Promise.reject(new Error('it was read')) },
    },
    health: { notReadyReasons: () => Promise.resolve([]) },
    faultInjector: () => null,
    logger: { info: () => undefined, error: () => undefined },
  })
  const answer = await server.inject({ method: 'POST', url: '/smart-agent/v1/authorize', payload: { x: 1 } })
  expect(answer.statusCode).toBe(503)
  expect(answer.headers['retry-after']).toBe('13')
  expect(answer.headers.connection).toBe('close')
  expect(answer.json<{ error: { code: string } }>().error.code).toBe('AUTHORITY_BUSY')
  expect(refusals).toEqual(['authorize'])
  await server.close()
})

test('a slow authority rejects exchanges that would wait too long, and reports them to its observer', async () => {
  let slow: () => void = () => undefined
  const ends: (string | null)[] = []
  const world = await createTestEnvironment({
    observe: {
      exchange: () => ({
        traceId: null,
        step: (step) => {
          if (step === 'commit') slow()
        },
        end: ({ code }) => ends.push(code),
      }),
      transaction: () => undefined,
    },
  })
  const agent = await world.open()
  await agent.register(await world.token())
  const { body } = world.network.sent.find(({ type }) => type === 'register') ?? { body: '' }
  const crowd = (size: number) =>
    Promise.all(
      Array.from({ length: size }, () =>
        getErrorCode(world.authority.operations.endpoint.handle('register', JSON.parse(body))),
      ),
    )
  slow = () => {
    world.clock.advance(SECOND / 4)
  }
  for (let i = 0; i < 25; i++) expect(new Set(await crowd(40))).toEqual(new Set(['no error']))
  slow = () => undefined
  // An exchange takes 250 ms by now, so about fifty of them are answered within 12 s.
  const codes = await crowd(60)
  const rejected = codes.filter((code) => code === 'AUTHORITY_BUSY').length
  expect(rejected).toBeGreaterThan(3)
  expect(rejected).toBeLessThan(20)
  expect(codes.filter((code) => code === 'no error')).toHaveLength(60 - rejected)
  expect(ends.filter((code) => code === 'AUTHORITY_BUSY')).toHaveLength(rejected)
  await world.close()
})
