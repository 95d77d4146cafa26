import { createPrivateKey } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'
import type { SmartAgent } from '../../src/index.ts'
import { errorTable, isErrorCode } from '../../src/core/errors.ts'
import { DAY, HOUR, MINUTE } from '../../src/core/time.ts'
import type { RequestType, SignedMessage } from '../../src/protocol/messages.ts'
import { getCertificateChain } from '../../src/pki/signed-message.ts'
import { getAnswerKey, listFlips, resign, decodeMessage } from '../support/messages.ts'
import {
  getErrorCode,
  createTestEnvironment,
  advance,
  type TestEnvironment,
} from '../support/test-environment.ts'
import { createSampledTests } from '../support/scale.ts'

const { describe, it } = createSampledTests(3)

let world: TestEnvironment
beforeEach(async () => {
  world = await createTestEnvironment()
  await world.authority.orders.create({ tag: 'HOST', quantity: 5 })
})
afterEach(async () => {
  await world.close()
})

const kindOf = (code: string) => (isErrorCode(code) ? errorTable[code].kind : code)

/** Makes the agent send a request of a type and returns the error code of the operation. */
async function provoke(agent: SmartAgent, type: Exclude<RequestType, 'acknowledge'>): Promise<string> {
  switch (type) {
    case 'register':
      return getErrorCode(agent.register(await world.token()))
    case 'authorize':
      return getErrorCode(agent.renewAuthorization())
    case 'renew':
      return getErrorCode(agent.renewRegistration())
    case 'deregister':
      return getErrorCode(agent.deregister())
  }
}

const unchanging = (agent: SmartAgent) => {
  const { state, registration, entitlements, evaluation, authorization } = agent.status()
  const { deadlineAt, since } = authorization
  const { instanceId, expiresAt, smartAccount } = registration
  return { state, instanceId, expiresAt, smartAccount, entitlements, evaluation, deadlineAt, since }
}

/** Flips one field of each answer of a type, a different field each time, and finally none. */
function flipAnswers(type: RequestType) {
  let index = -1
  let name = ''
  let done = false
  world.network.onAnswer = (which, body) => {
    if (which !== type) return body
    const flip = listFlips(body)[++index]
    name = flip?.name ?? 'nothing'
    done = flip === undefined
    return flip?.body ?? body
  }
  return { index: () => index, name: () => name, done: () => done }
}

/** Returns the expected result: an answer error, or no error once nothing was flipped. */
const expectation = (turn: ReturnType<typeof flipAnswers>) => [
  turn.name(),
  turn.done() ? 'no error' : 'answer',
]

describe('an answer that was changed in transit', () => {
  it.each(['register', 'authorize', 'renew'] as const)(
    'is refused with an answer error for %s with any field flipped, and changes nothing',
    async (type) => {
      const agent = await world.open()
      agent.setUsage('HOST', 3)
      if (type !== 'register') await agent.register(await world.token())
      const before = unchanging(agent)
      const turn = flipAnswers(type)
      while (!turn.done()) {
        const code = await provoke(agent, type)
        expect([turn.name(), kindOf(code)]).toEqual(expectation(turn))
        if (!turn.done()) expect([turn.name(), unchanging(agent)]).toEqual([turn.name(), before])
      }
      expect(turn.index()).toBeGreaterThan(15)
      expect(agent.status().state).toBe('authorized')
    },
  )

  it('is refused for deregister, and the registration ends on the device', async () => {
    const turn = flipAnswers('deregister')
    while (!turn.done()) {
      const agent = await world.open(`device-${turn.index() + 1}`)
      await agent.register(await world.token())
      const code = await provoke(agent, 'deregister')
      expect([turn.name(), kindOf(code)]).toEqual(expectation(turn))
      expect(agent.status().state).toBe('evaluation')
      await agent.close()
    }
  })

  it('is refused for acknowledge, and the next request repeats the acknowledgement', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    const turn = flipAnswers('acknowledge')
    await agent.renewRegistration()
    await agent.idle()
    expect(agent.history().at(-1)?.event).toBe('acknowledge.unreachable')
    // The agent repeats the unanswered request before any other, until it is answered.
    while (!turn.done()) {
      const code = await getErrorCode(agent.renewAuthorization())
      expect([turn.name(), kindOf(code)]).toEqual(expectation(turn))
    }
    expect(agent.status().state).toBe('authorized')
  })
})

describe('a request that was changed in transit', () => {
  it.each(['register', 'authorize', 'renew', 'acknowledge', 'deregister'] as const)(
    'is refused without a signed answer for %s with any field flipped, and changes nothing',
    async (type) => {
      const agent = await world.open()
      agent.setUsage('HOST', 3)
      if (type !== 'register') await agent.register(await world.token())
      let captured = ''
      world.network.onRequest = (which, body) => {
        if (which === type) captured = body
        return which === type ? '{}' : body
      }
      if (type === 'acknowledge') await agent.renewRegistration()
      else await provoke(agent, type)
      await agent.idle()
      const state = async () =>
        JSON.stringify([await world.authority.instances.list(), await world.authority.licenses.list()])
      const before = await state()
      const all = listFlips(captured)
      expect(all.length).toBeGreaterThan(10)
      for (const { name, body } of all) {
        const code = await getErrorCode(world.authority.operations.endpoint.handle(type, JSON.parse(body)))
        expect([name, ['REQUEST_MALFORMED', 'REQUEST_SIGNATURE_INVALID', 'PROTOCOL_UNSUPPORTED']]).toEqual([
          name,
          expect.arrayContaining([code]),
        ])
      }
      expect(await state()).toBe(before)
      // The unchanged request is accepted.
      const answer = await world.authority.operations.endpoint.handle(type, JSON.parse(captured))
      expect(decodeMessage(JSON.stringify(answer)).payload.decision).toMatchObject({ outcome: 'accepted' })
    },
  )

  it('is refused if it was sent to the path of another type', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    const { body } = world.network.sent.at(-1) ?? { body: '' }
    expect(
      await getErrorCode(world.authority.operations.endpoint.handle('deregister', JSON.parse(body))),
    ).toBe('REQUEST_MALFORMED')
  })
})

describe('a genuine answer that does not belong to the request', () => {
  const cases: [string, (payload: Record<string, unknown>) => void][] = [
    ['ANSWER_WRONG_DIRECTION', (answer) => (answer.direction = 'request')],
    ['ANSWER_WRONG_AUTHORITY', (answer) => ((answer.authority as { id: string }).id = crypto.randomUUID())],
    ['ANSWER_WRONG_AUDIENCE', (answer) => (answer.audience = crypto.randomUUID())],
    ['ANSWER_WRONG_REQUEST', (answer) => (answer.messageId = crypto.randomUUID())],
    ['ANSWER_NONCE_MISMATCH', (answer) => (answer.nonce = 'A'.repeat(32))],
    ['ANSWER_STALE', (answer) => (answer.time = new Date(world.clock.wall() - MINUTE).toISOString())],
    ['ANSWER_STALE', (answer) => (answer.epoch = 0)],
    ['ANSWER_PROTOCOL_VERSION', (answer) => (answer.protocol = 2)],
    ['ANSWER_MALFORMED', (answer) => delete answer.decision],
    [
      'ANSWER_SIGNER_UNTRUSTED',
      (answer) => (answer.time = new Date(world.clock.wall() + 4000 * DAY).toISOString()),
    ],
  ]
  it.each(cases)('is refused with %s', async (code, change) => {
    const agent = await world.open()
    await agent.register(await world.token())
    const key = getAnswerKey(join(world.directory, 'authority'))
    const before = unchanging(agent)
    world.network.onAnswer = (_, body) => resign(body, key, change)
    expect(await getErrorCode(agent.renewAuthorization())).toBe(code)
    expect(unchanging(agent)).toEqual(before)
    expect(agent.status().transport.lastFailure).toMatchObject({ code })
  })

  it('is refused with ANSWER_WRONG_TYPE if it answers another type of request', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    const key = getAnswerKey(join(world.directory, 'authority'))
    world.network.onAnswer = (_, body) =>
      resign(body, key, (answer) => {
        answer.type = 'deregister'
        answer.decision = { outcome: 'accepted' }
      })
    expect(await getErrorCode(agent.renewAuthorization())).toBe('ANSWER_WRONG_TYPE')
  })

  it('is refused with ANSWER_SIGNER_ROLE if it is signed with the ID certificate of a device', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    const request = world.network.sent.at(-1)?.body ?? ''
    const [leaf = ''] = getCertificateChain(JSON.parse(request) as SignedMessage, 'sla-request+jws') ?? []
    const secrets = join(world.directory, 'device', 'secrets')
    const key = readFileSync(
      join(secrets, readdirSync(secrets).find((one) => one.endsWith('.key')) ?? ''),
      'utf8',
    )
    world.network.onAnswer = (_, body) => {
      const [, subCa = ''] = getCertificateChain(JSON.parse(body) as SignedMessage, 'sla-answer+jws') ?? []
      return resign(body, createPrivateKey(key), () => undefined, [leaf, subCa])
    }
    expect(await getErrorCode(agent.renewAuthorization())).toBe('ANSWER_SIGNER_ROLE')
  })

  it('is refused with ANSWER_CERTIFICATE_INVALID if its ID certificate is of another device or key', async () => {
    const other = await world.open('other')
    let others: unknown
    world.network.onAnswer = (type, body) => {
      const decision = decodeMessage(body).payload.decision as { certificates?: unknown }
      if (type === 'register') others = decision.certificates
      return body
    }
    await other.register(await world.token())
    const key = getAnswerKey(join(world.directory, 'authority'))
    world.network.onAnswer = (type, body) =>
      type === 'register'
        ? resign(body, key, ({ decision }) => {
            ;(decision as { certificates: unknown }).certificates = others
          })
        : body
    const agent = await world.open()
    expect(await getErrorCode(agent.register(await world.token()))).toBe('ANSWER_CERTIFICATE_INVALID')
    expect(agent.status().registration.status).toBe('retrying')
  })

  it('is refused if it is replayed for another request or for the same request', async () => {
    const agent = await world.open()
    const answers: string[] = []
    world.network.onAnswer = (type, body) => {
      if (type === 'authorize') answers.push(body)
      return body
    }
    await agent.register(await world.token())
    await advance(world, agent, DAY)
    world.network.onAnswer = () => answers[0] ?? ''
    expect(await getErrorCode(agent.renewAuthorization())).toBe('ANSWER_WRONG_REQUEST')
    // A repeated request has a new nonce, so the answer to the first attempt does not match.
    let first = ''
    world.network.onAnswer = (_, body) => {
      first ||= body
      return '{}'
    }
    await getErrorCode(agent.renewAuthorization())
    world.network.onAnswer = () => first
    expect(await getErrorCode(agent.renewAuthorization())).toBe('ANSWER_NONCE_MISMATCH')
  })

  it('is refused if it is an unsigned refusal, and the device stays registered', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    world.network.onAnswer = () =>
      JSON.stringify({ outcome: 'refused', code: 'INSTANCE_REMOVED', message: 'go away', remedy: '' })
    expect(await getErrorCode(agent.renewAuthorization())).toBe('ANSWER_MALFORMED')
    expect(agent.status().state).toBe('authorized')
  })

  it('is not even sent by another authority', async () => {
    const other = await createTestEnvironment()
    const agent = await world.open('device', { createTransport: () => world.transport(other.authority) })
    // The other authority rejects the request, which is addressed to the root that this device trusts.
    expect(await getErrorCode(agent.register(await world.token()))).toBe('AUTHORITY_REJECTED')
    await other.close()
  })
})

describe('a repeated request', () => {
  it('R-AUTH-4: gets the same decision after a lost answer, and is executed once', async () => {
    const agent = await world.open()
    agent.setUsage('HOST', 3)
    await agent.register(await world.token())
    for (const work of [
      () => agent.renewAuthorization(),
      () => agent.renewRegistration(),
      () => agent.renewAuthorization(),
    ]) {
      world.network.loseAnswers = true
      expect(await getErrorCode(work())).toBe('CONNECTION_RESET')
      world.network.loseAnswers = false
      await advance(world, agent, HOUR)
      expect(agent.status()).toMatchObject({ state: 'authorized', transport: { link: 'up' } })
    }
    const renewed = (await world.authority.operations.events.list()).filter(
      ({ type }) => type === 'INSTANCE_RENEWED',
    )
    expect(renewed).toHaveLength(1)
    expect(await world.authority.licenses.list()).toMatchObject([{ inUse: 3 }])
  })

  it('is not executed if it is an old request that an attacker replays', async () => {
    const agent = await world.open()
    agent.setUsage('HOST', 5)
    await agent.register(await world.token())
    const old = world.network.sent.at(-1)?.body ?? ''
    agent.setUsage('HOST', 1)
    await advance(world, agent, HOUR)
    await agent.renewAuthorization()
    const answer = await world.authority.operations.endpoint.handle('authorize', JSON.parse(old))
    const { decision } = decodeMessage(JSON.stringify(answer)).payload as { decision: { code: string } }
    expect(decision.code).toBe('SEQUENCE_SUPERSEDED')
    expect(await world.authority.licenses.list()).toMatchObject([{ inUse: 1 }])
    await agent.renewAuthorization()
  })

  it('is refused with REQUEST_MALFORMED for NUL or lone surrogates, before its signature is verified', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    const sent = world.network.sent.at(-1)?.body ?? ''
    const { payload } = decodeMessage(sent)
    const body = payload.body as object
    const changed = [
      { ...payload, body: { ...body, version: '1\u0000' } },
      { ...payload, more: '\ud800' },
    ]
    for (const content of changed) {
      const text = Buffer.from(JSON.stringify(content)).toString('base64url')
      const message: unknown = { ...(JSON.parse(sent) as object), payload: text }
      expect(await getErrorCode(world.authority.operations.endpoint.handle('authorize', message))).toBe(
        'REQUEST_MALFORMED',
      )
    }
  })

  it('is refused with the previous certificate once the renewed one has been used', async () => {
    const agent = await world.open()
    await agent.register(await world.token())
    const old = world.network.sent.at(-1)?.body ?? ''
    await agent.renewRegistration()
    await agent.idle()
    await agent.renewAuthorization()
    // The chain of the previous certificate is still valid, but its thumbprint is no longer stored.
    const answer = await world.authority.operations.endpoint.handle('authorize', JSON.parse(old))
    const { decision } = decodeMessage(JSON.stringify(answer)).payload as { decision: { code: string } }
    expect(decision.code).toBe('INSTANCE_UNKNOWN')
    expect(agent.status().state).toBe('authorized')
  })
})
