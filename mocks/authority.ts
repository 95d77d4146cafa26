import { createPrivateKey, createPublicKey, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { http, type RequestHandler } from 'msw'
import { Authority } from '../src/authority/index.ts'
import type { Clock } from '../src/domain/clock.ts'
import { DAY } from '../src/domain/instant.ts'
import { systemClock } from '../src/domain/system-clock.ts'
import { exchangePath, type RequestType, requestTypeSchema, type Sealed } from '../src/protocol/messages.ts'
import { createRoot, generateKey, issueCertificate } from '../src/trust/certificates.ts'
import { peek, seal } from '../src/trust/seal.ts'
import { asResponse, faultCatalogue, type FaultName, type PlannedFault, type Reply } from './faults.ts'

export interface MockAuthorityOptions {
  /** Where it answers: any https URL that leads nowhere. Default: https://authority.test */
  readonly url?: string
  /** The domain of its smart account. Default: acme.example */
  readonly account?: string
  readonly clock?: Clock
  /** What goes wrong, by name or planned; more can be set at any time. */
  readonly faults?: readonly (FaultName | PlannedFault)[]
}

/** An authority behind MSW: the rules are the real ones, the road is made of faults. */
export interface MockAuthority {
  /** For `setupServer(...handlers)` of `msw/node`. */
  readonly handlers: readonly RequestHandler[]
  readonly url: string
  /** The real authority: orders, tokens, instances, events. */
  readonly authority: Authority
  /** The root certificate to give to an agent: PEM. */
  readonly trustAnchor: string
  /** The kinds of request that came, in order, whatever became of them. */
  readonly requests: readonly RequestType[]
  /** Replaces every planned fault; without arguments all is well again. */
  setFaults(...faults: readonly (FaultName | PlannedFault)[]): void
  /** Removes what it kept on disk. */
  close(): Promise<void>
}

/**
 * Makes an authority for tests, in a temporary directory, with handlers for MSW.
 *
 * @example
 * const mock = await mockAuthority({ faults: [{ fault: 'unavailable', times: 2 }] })
 * const server = setupServer(...mock.handlers)
 */
export async function mockAuthority(options: MockAuthorityOptions = {}): Promise<MockAuthority> {
  const { url = 'https://authority.test', account = 'acme.example' } = options
  const directory = mkdtempSync(join(tmpdir(), 'smart-licensing-mock-'))
  const clock = options.clock && { clock: options.clock }
  await Authority.init({ dataDir: directory, account, acceptAgreement: true, ...clock })
  const authority = await Authority.open({ dataDir: directory, ...clock })
  let signer: Promise<Credential> | undefined
  let planned: { fault: FaultName; on: RequestType | undefined; left: number }[] = []
  const requests: RequestType[] = []
  const answered = new Map<RequestType, Reply>()

  const setFaults: MockAuthority['setFaults'] = (...faults) => {
    planned = faults.map((one) =>
      typeof one === 'string'
        ? { fault: one, on: undefined, left: Infinity }
        : { fault: one.fault, on: one.on, left: one.times ?? Infinity },
    )
  }
  setFaults(...(options.faults ?? []))

  const answer = async (type: RequestType, body: string): Promise<Response> => {
    requests.push(type)
    const earlier = answered.get(type)
    const decide = async (): Promise<Reply> => {
      const reply = await authority.respond({ method: 'POST', path: exchangePath(type), body })
      if (reply.status === 200) answered.set(type, reply)
      return reply
    }
    const next = planned.find(({ on, left }) => left > 0 && (on === undefined || on === type))
    if (!next) return asResponse(await decide())
    next.left--
    return faultCatalogue[next.fault].respond({
      decide,
      earlier,
      forge: async (reply) => {
        const payload = peek(JSON.parse(reply.body) as Sealed) as object
        const forged = await seal(payload, {
          type: 'sla-answer+jws',
          ...(await (signer ??= strangeSigner((options.clock ?? systemClock).wall()))),
        })
        return { ...reply, body: JSON.stringify(forged), headers: { 'content-type': 'application/json' } }
      },
    })
  }

  return {
    url,
    authority,
    trustAnchor: authority.trustAnchor(),
    requests,
    setFaults,
    handlers: requestTypeSchema.options.map((type) =>
      http.post(`${url}${exchangePath(type)}`, async ({ request }) => answer(type, await request.text())),
    ),
    close: async () => {
      await authority.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

interface Credential {
  readonly certificates: readonly string[]
  readonly privateKey: string
}

/** A signer of answers with everything right but its root. */
async function strangeSigner(at: number): Promise<Credential> {
  const facts = {
    account: 'stranger.example',
    authorityId: randomUUID(),
    notBefore: at - DAY,
    notAfter: at + 90 * DAY,
  }
  const root = await createRoot({ ...facts, name: 'Strange Root' })
  const [caKey, privateKey] = [await generateKey(), await generateKey()]
  const publicOf = (key: string) => createPublicKey(createPrivateKey(key))
  const ca = await issueCertificate(root, publicOf(caKey), { ...facts, role: 'sub-ca', name: 'Strange CA' })
  const leaf = await issueCertificate({ certificate: ca, privateKey: caKey }, publicOf(privateKey), {
    ...facts,
    role: 'answer-signer',
    name: 'Strange Signer',
  })
  return { certificates: [leaf, ca], privateKey }
}
