import { createPrivateKey, createPublicKey } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'
import type { SmartAgent } from '../../src/index.ts'
import type { Authority } from '../../src/authority/index.ts'
import { DAY, toIsoString } from '../../src/core/time.ts'
import {
  AUTHORIZATION_TITLE,
  parseAuthorization,
  formatAuthorization,
} from '../../src/protocol/authorization-file.ts'
import type { Delegation } from '../../src/protocol/delegation.ts'
import type { SignedMessage } from '../../src/protocol/messages.ts'
import { type Credential, generateKey, issueCertificate } from '../../src/pki/certificate-generation.ts'
import { parseRoots } from '../../src/pki/chain-validation.ts'
import { signDelegationJws } from '../../src/pki/delegation.ts'
import { decodePayloadUnverified, signMessage } from '../../src/pki/signed-message.ts'
import { signText, verifyText } from '../../src/pki/sign-text.ts'
import type { Transport } from '../../src/transports/transport.ts'
import { StolenKeys } from '../support/keys.ts'
import {
  exchangeByFile,
  createSatelliteEnvironment,
  type SatelliteEnvironment,
} from '../support/satellite.ts'
import { getErrorCode } from '../support/test-environment.ts'
import { createSampledTests } from '../support/scale.ts'

const { describe, it } = createSampledTests(3)

/** Whatever a customer can do who holds all the keys of a satellite, and has changed its program. */
class AlteredSatellite extends StolenKeys {
  /** A certificate of any role: its own CA signs whatever it is given. */
  async forge(
    role: 'sync' | 'answer-signer',
    at: number,
    authorityId = this.identity().id,
  ): Promise<Credential> {
    const privateKey = await generateKey()
    const { issuingCa, account } = this.identity()
    const certificate = await issueCertificate(
      { certificate: issuingCa, privateKey: this.file('sub-ca.key') },
      createPublicKey(createPrivateKey(privateKey)),
      { role, name: 'Forged', account, authorityId, notBefore: at - DAY, notAfter: at + 80 * DAY },
    )
    return { certificates: [certificate, issuingCa], privateKey: createPrivateKey(privateKey) }
  }

  /** Answers signed anew, with something changed in them. */
  async reseal(
    answer: string,
    change: (payload: Record<string, unknown>) => void,
    by = this.signer('answer-signer'),
  ) {
    const payload = structuredClone(decodePayloadUnverified(JSON.parse(answer) as SignedMessage)) as Record<
      string,
      unknown
    >
    change(payload)
    return JSON.stringify(await signMessage(payload, { type: 'sla-answer+jws', ...by }))
  }
}

let world: SatelliteEnvironment
let satellite: Authority
let altered: AlteredSatellite
let box: SmartAgent
let change: ((answer: string) => Promise<string>) | null

beforeEach(async () => {
  world = await createSatelliteEnvironment()
  satellite = await world.addSatellite('branch', { online: true })
  altered = new AlteredSatellite(join(world.directory, 'branch'))
  await world.manager.orders.create({ tag: 'HOST', quantity: 10, virtualAccount: 'BRANCH' })
  await satellite.sync.run()
  change = null
  const wire: Transport = {
    post: async (path, body) => {
      const { body: answer } = await satellite.operations.server.inject({ method: 'POST', path, body })
      return change ? change(answer) : answer
    },
    close: () => undefined,
  }
  box = await world.box(() => satellite, 'box', { createTransport: () => wire })
  await box.register((await satellite.tokens.create({ days: 365 })).token)
})
afterEach(() => world.close())

/** The code that a box notes when it asks for its authorization now. */
async function asked(): Promise<string | null> {
  world.clock.advance(60_000)
  const before = box.status()
  const code = await getErrorCode(box.renewAuthorization())
  if (code !== 'no error') expect(box.status().state).toBe(before.state)
  return code
}

describe('R-SAT-1 R-AUTH-5: a satellite acts under its mandate', () => {
  it('and an honest one is believed', async () => {
    box.setUsage('HOST', 4)
    expect(await asked()).toBe('no error')
    expect(box.status().state).toBe('authorized')
  })

  it('no mandate: nothing granted is believed', async () => {
    change = (answer) => altered.reseal(answer, (payload) => (payload.mandate = null))
    expect(await asked()).toBe('MANDATE_MISSING')
  })

  it('a satellite that calls itself a manager is none', async () => {
    change = (answer) =>
      altered.reseal(answer, (payload) => {
        payload.mandate = null
        payload.authority = { ...(payload.authority as object), role: 'manager' }
      })
    expect(await asked()).toBe('ANSWER_WRONG_AUTHORITY')
  })

  it('a mandate that it has signed itself is none, whichever certificate it makes for that', async () => {
    const { id, account } = altered.identity()
    const genuine = (payload: Record<string, unknown>): Delegation =>
      JSON.parse(
        Buffer.from(String(payload.mandate).split('.')[1] ?? '', 'base64url').toString(),
      ) as Delegation
    for (const authorityId of [id, world.manager.security.identity.id]) {
      const forged = await altered.forge('sync', world.clock.wall(), authorityId)
      change = async (answer) => {
        const mandate = genuine(
          decodePayloadUnverified(JSON.parse(answer) as SignedMessage) as Record<string, unknown>,
        )
        const text = await signDelegationJws(
          { ...mandate, account, quantities: [{ tag: 'HOST', quantity: 9999 }], sequence: 99 },
          forged,
        )
        return altered.reseal(answer, (payload) => (payload.mandate = text))
      }
      expect(await asked()).toBe('MANDATE_INVALID')
    }
  })

  it('a mandate whose text was changed is none', async () => {
    change = (answer) =>
      altered.reseal(answer, (payload) => {
        const [head, body = '', signature] = String(payload.mandate).split('.')
        const text = Buffer.from(body, 'base64url').toString().replace('"quantity":10', '"quantity":99')
        payload.mandate = [head, Buffer.from(text).toString('base64url'), signature].join('.')
      })
    expect(await asked()).toBe('MANDATE_INVALID')
  })

  it('another satellite’s mandate is not its own', async () => {
    const other = await world.addSatellite('other', { online: true })
    await other.sync.run()
    const { body } = await other.operations.server.inject({
      method: 'POST',
      path: '/smart-agent/v1/hello',
      body: JSON.stringify({
        protocol: 1,
        direction: 'request',
        type: 'hello',
        messageId: '3f2504e0-4f89-41d3-9a0c-0305e82c3301',
        nonce: 'a'.repeat(32),
        audience: 'anybody',
        epoch: 0,
        trustBundle: 0,
      }),
    })
    const { mandate } = decodePayloadUnverified(JSON.parse(body) as SignedMessage) as { mandate: string }
    expect(mandate).toMatch(/^ey/)
    change = (answer) => altered.reseal(answer, (payload) => (payload.mandate = mandate))
    expect(await asked()).toBe('MANDATE_INVALID')
  })

  it.each(['as they are', 'all good', 'none', 'fewer', 'good ones beside'])(
    'more than the manager gave is not believed to be covered, with its rows %s',
    async (how) => {
      box.setUsage('HOST', 11)
      change = (answer) =>
        altered.reseal(answer, (payload) => {
          const decision = payload.decision as { entitlements?: object[]; compliance?: string }
          const rows = decision.entitlements
          if (!rows) return
          decision.compliance = 'in-compliance'
          const good = rows.map((one) => ({ ...one, status: 'in-compliance' }))
          decision.entitlements =
            {
              'as they are': rows,
              'all good': good,
              none: [],
              fewer: good.map((one) => ({ ...one, count: 1 })),
              'good ones beside': [...rows, ...good],
            }[how] ?? []
        })
      expect(await asked()).toBe(how === 'all good' ? 'MANDATE_EXCEEDED' : 'ANSWER_MALFORMED')
    },
  )

  it('a mandate that has ended grants nothing, whatever the satellite says, and no authorization outlasts it', async () => {
    const { restrictedAt } = await satellite.sync.status()
    const until = Date.parse(restrictedAt ?? '')
    change = (answer) =>
      altered.reseal(answer, (payload) => {
        const decision = payload.decision as Record<string, unknown>
        payload.decision = {
          ...decision,
          outcome: 'accepted',
          entitlements: [],
          compliance: 'in-compliance',
          deadlineAt: toIsoString(world.clock.wall() + 400 * DAY),
          nextContactAt: null,
          smartAccount: world.account,
          virtualAccount: 'Default',
        }
      })
    world.clock.advance(until - world.clock.wall() - 10 * DAY)
    expect(await asked()).toBe('no error')
    expect(box.status().authorization.deadlineAt).toBe(restrictedAt)
    world.clock.advance(11 * DAY)
    box.tick()
    await box.idle()
    expect(box.status()).toMatchObject({
      state: 'auth-expired',
      authorization: { lastAttempt: { reason: { code: 'MANDATE_EXPIRED' } } },
    })
  })

  it('an older mandate than the box has seen is refused: the satellite was restored from a copy', async () => {
    let old = ''
    change = (answer) => {
      old = (decodePayloadUnverified(JSON.parse(answer) as SignedMessage) as { mandate: string }).mandate
      return Promise.resolve(answer)
    }
    expect(await asked()).toBe('no error')
    await satellite.sync.run()
    expect(await asked()).toBe('no error')
    change = null
    const first = old
    await satellite.sync.run()
    expect(await asked()).toBe('no error')
    change = (answer) => altered.reseal(answer, (payload) => (payload.mandate = first))
    expect(await asked()).toBe('MANDATE_SUPERSEDED')
  })

  it('its CA makes no answers for another authority, and none of the manager’s kind', async () => {
    const forged = await altered.forge(
      'answer-signer',
      world.clock.wall(),
      world.manager.security.identity.id,
    )
    change = (answer) =>
      altered.reseal(
        answer,
        (payload) => {
          payload.authority = { id: world.manager.security.identity.id, role: 'manager', test: false }
          payload.mandate = null
        },
        forged,
      )
    expect(await asked()).toMatch(/^ANSWER_(SIGNER_UNTRUSTED|WRONG_AUTHORITY)$/)
    const { file } = await satellite.sync.export()
    const { file: answer } = await world.manager.satellites.respond(file)
    const sync = await altered.forge('sync', world.clock.wall())
    const lines = answer.slice(0, answer.indexOf('-----BEGIN CERTIFICATE')).split('\n')
    expect(await getErrorCode(satellite.sync.import(signText(lines, sync)))).toBe('SIGNED_FILE_UNTRUSTED')
  })
})

describe('R-SLR-9: a satellite reserves for its own pool, under its mandate', () => {
  it('reserves, updates, confirms and takes back; synchronizing counts nothing twice', async () => {
    const { manager } = world
    await satellite.reservations.enable()
    const sealed = await world.box(() => satellite, 'sealed', {
      transport: { kind: 'direct', url: 'https://nowhere.test' },
    })
    const request = await sealed.reservation.request()
    const issued = await satellite.reservations.reserve({ request, licenses: { HOST: 6 } })
    await sealed.reservation.install(issued.file)
    sealed.setUsage('HOST', 5)
    expect(sealed.status()).toMatchObject({ state: 'reserved', authorization: { status: 'reserved' } })
    for (let i = 0; i < 3; i++) await exchangeByFile(manager, satellite)
    expect(await manager.licenses.list()).toMatchObject([
      { virtualAccount: 'BRANCH', quantity: 10, inUse: 0, reserved: 6 },
    ])
    expect(await manager.instances.list()).toMatchObject([
      { udi: { serial: 'BOX' } },
      { udi: { serial: 'SEALED' }, status: 'reserved', satellite: 'branch' },
    ])
    // An update holds the larger of both until it is confirmed, there and here.
    const updated = await satellite.reservations.update(issued.instanceId, { HOST: 2 })
    await exchangeByFile(manager, satellite)
    expect(await manager.licenses.list()).toMatchObject([{ reserved: 6 }])
    const { reservation } = await sealed.reservation.update(updated.file)
    await satellite.reservations.confirm(issued.instanceId, reservation.confirmationCode ?? '')
    await exchangeByFile(manager, satellite)
    expect(await manager.licenses.list()).toMatchObject([{ reserved: 2 }])
    await satellite.reservations.acceptReturnCode(issued.instanceId, await sealed.reservation.returnCode())
    await exchangeByFile(manager, satellite)
    expect(await manager.licenses.list()).toMatchObject([{ quantity: 10, reserved: 0 }])
    expect(await manager.instances.list()).toMatchObject([{ udi: { serial: 'BOX' } }])
  })

  it('cannot reserve what it does not have, nor at the manager from the satellite’s account', async () => {
    await satellite.reservations.enable()
    await world.manager.reservations.enable()
    const sealed = await world.box(() => satellite, 'sealed')
    const request = await sealed.reservation.request()
    expect(await getErrorCode(satellite.reservations.reserve({ request, licenses: { HOST: 11 } }))).toBe(
      'LICENSES_UNAVAILABLE',
    )
    expect(
      await getErrorCode(
        world.manager.reservations.reserve({ request, licenses: { HOST: 1 }, virtualAccount: 'BRANCH' }),
      ),
    ).toBe('VIRTUAL_ACCOUNT_OF_SATELLITE')
  })

  it('a file without a mandate, beyond it, or after its end is not installed', async () => {
    await satellite.reservations.enable()
    const sealed = await world.box(() => satellite, 'sealed')
    const request = await sealed.reservation.request()
    const { file } = await satellite.reservations.reserve({ request, licenses: { HOST: 6 } })
    const signer = altered.signer('reservation-signer')
    const { lines } = verifyText(file, {
      what: 'authorization file',
      title: AUTHORIZATION_TITLE,
      role: 'reservation-signer',
      roots: parseRoots(world.manager.trustAnchor()),
      at: () => world.clock.wall(),
    })
    const genuine = parseAuthorization(lines)
    const forged = (part: Partial<typeof genuine>) =>
      signText(formatAuthorization({ ...genuine, ...part }), signer)
    expect(await getErrorCode(sealed.reservation.install(forged({ mandate: null })))).toBe('MANDATE_MISSING')
    const licenses = genuine.licenses.map((one) => ({ ...one, count: 11 }))
    expect(await getErrorCode(sealed.reservation.install(forged({ licenses })))).toBe('MANDATE_EXCEEDED')
    expect(
      await getErrorCode(sealed.reservation.install(forged({ issuedAt: world.clock.wall() + 91 * DAY }))),
    ).toMatch(/^MANDATE_EXPIRED|SIGNED_FILE_SIGNER_EXPIRED$/)
    expect(sealed.status().state).toBe('evaluation')
    await sealed.reservation.install(file)
    expect(sealed.status().state).toBe('reserved')
  })

  it('keeps its keys in files that are its own', () => {
    const keys = readdirSync(join(world.directory, 'branch', 'keys'))
    expect(keys).toContain('sync.key')
    expect(keys).not.toContain('root.key')
  })
})
