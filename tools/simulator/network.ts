import {
  type AnswerFaultName,
  type FaultName,
  faultCatalog,
  resignUntrusted,
  isAnswerFault,
  type Reply,
  createUntrustedCredential,
} from '../../src/faults/index.ts'
import { type ErrorCode, LicensingError } from '../../src/core/errors.ts'
import { HOUR, type Instant, SECOND } from '../../src/core/time.ts'
import type { SignedMessage } from '../../src/protocol/messages.ts'
import type { Transport } from '../../src/transports/transport.ts'
import { decodePayloadUnverified } from '../../src/pki/signed-message.ts'
import type { Computer } from './computer.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { LinkConditions } from './plan.ts'
import type { EventScheduler } from './event-scheduler.ts'

/** How long a box waits for an answer. */
const RESPONSE_TIMEOUT_MS = 30 * SECOND
/** How late a message that was sent once may come a second time. */
const MAX_DUPLICATE_DELAY_MS = HOUR

const GOOD_CONDITIONS: Omit<LinkConditions, 'for'> = {
  lost: 0,
  lostAnswers: 0,
  twice: 0,
  garbled: 0,
  replayed: 0,
  slow: 100,
}

/** What an authority does with a request: answers, or fails as a server fails. */
export type RequestHandler = (path: string, body: string) => Promise<Reply | ErrorCode>

/** The road of one computer to its authority, a box's or a satellite's, and what stands on it. */
export class SimulatedLink {
  readonly #device: Computer
  readonly #timeline: EventScheduler
  readonly #random: SeededRandom
  readonly #handler: RequestHandler
  readonly #after: () => void
  readonly #log: (what: string) => void
  readonly #earlier = new Map<string, Reply>()
  #conditions: Omit<LinkConditions, 'for'> = GOOD_CONDITIONS
  #conditionsEndAt = -Infinity
  #disconnectedUntil = -Infinity
  #faults: { fault: FaultName; left: number }[] = []
  /** Whether what came last to the box answers another of its requests. */
  foreign = false

  constructor(parts: {
    box: Computer
    timeline: EventScheduler
    random: SeededRandom
    answering: RequestHandler
    /** Called when something has come to the box. */
    after: () => void
    /** What happens on the road, in words. */
    log: (what: string) => void
  }) {
    this.#device = parts.box
    this.#timeline = parts.timeline
    this.#random = parts.random
    this.#handler = parts.answering
    this.#after = parts.after
    this.#log = parts.log
  }

  disconnect(until: Instant): void {
    this.#disconnectedUntil = Math.max(this.#disconnectedUntil, until)
  }
  degrade(conditions: Omit<LinkConditions, 'for'>, until: Instant): void {
    this.#conditions = conditions
    this.#conditionsEndAt = until
  }
  scheduleFault(fault: FaultName, times: number): void {
    this.#faults.push({ fault, left: times })
  }
  restore(): void {
    this.#disconnectedUntil = -Infinity
    this.#conditionsEndAt = -Infinity
    this.#faults = []
  }

  /** A transport for one life of the box's program. */
  transport(): Transport {
    const underWay = new Set<() => void>()
    return {
      post: (path, body) => this.#post(path, body, underWay),
      close: ({ now = false } = {}) => {
        if (now) for (const breakOff of underWay) breakOff()
      },
    }
  }

  #post(path: string, body: string, underWay: Set<() => void>): Promise<string> {
    const { generation } = this.#device
    return new Promise((resolve, reject) => {
      let open = true
      /** Something comes to the box, if it is still the one that asked. */
      const arrive = (milliseconds: number, how: () => void) => {
        const deliver = () => {
          if (!open || this.#device.generation !== generation) return
          if (this.#device.power === 'asleep') {
            this.#device.onWake(() => {
              arrive(0, () => {
                reject(createTransportError('TIMED_OUT'))
              })
            })
            return
          }
          open = false
          underWay.delete(breakOff)
          how()
          this.#timeline.scheduleAfter(0, this.#after)
        }
        this.#timeline.scheduleAfter(milliseconds, deliver)
      }
      const breakOff = () => {
        open = false
        underWay.delete(breakOff)
        reject(createTransportError('CONNECTION_RESET'))
      }
      underWay.add(breakOff)
      const fail = (code: ErrorCode, milliseconds: number) => {
        this.#log(`${getRequestKind(path)} fails: ${code}`)
        arrive(milliseconds, () => {
          reject(createTransportError(code))
        })
      }
      this.#deliver(path, body, {
        fail,
        arrive: (milliseconds, text) => arrive(milliseconds, () => resolve(text)),
      })
    })
  }

  #deliver(
    path: string,
    body: string,
    box: {
      fail: (code: ErrorCode, milliseconds: number) => void
      arrive: (milliseconds: number, text: string) => void
    },
  ): void {
    const random = this.#random
    this.foreign = false
    const conditions = this.#timeline.now() < this.#conditionsEndAt ? this.#conditions : GOOD_CONDITIONS
    const there = random.nextInt(1, conditions.slow)
    const back = random.nextInt(1, conditions.slow)
    if (this.#timeline.now() < this.#disconnectedUntil) {
      box.fail(
        random.pick(['CONNECTION_REFUSED', 'DNS_FAILED', 'TIMED_OUT'] as const),
        random.nextInt(1, RESPONSE_TIMEOUT_MS),
      )
      return
    }
    const fault = this.#nextFault()
    if (fault !== null && !isAnswerFault(fault)) {
      box.fail(faultCatalog[fault].code ?? 'CONNECTION_RESET', there)
      return
    }
    const lost = random.nextBoolean(conditions.lost)
    const twice = random.nextBoolean(conditions.twice)
      ? random.nextInt(0, random.pick([SECOND, MAX_DUPLICATE_DELAY_MS]))
      : null
    const answerLost = random.nextBoolean(conditions.lostAnswers)
    const garbled = random.nextBoolean(conditions.garbled)
    const earlier = random.nextBoolean(conditions.replayed) ? this.#earlier.get(path) : undefined
    if (lost) {
      box.fail('TIMED_OUT', RESPONSE_TIMEOUT_MS)
      return
    }
    // Who plays an answer again may keep the request to himself, or not.
    const kept = earlier !== undefined && random.nextBoolean(0.5)
    if (twice !== null) this.#timeline.scheduleAfter(there + twice, () => this.#handler(path, body))
    this.#timeline.scheduleAfter(there, async () => {
      const delivered = kept ? earlier : await this.#answer(path, body, fault)
      if (earlier !== undefined) {
        this.#log(`an earlier answer comes to ${getRequestKind(path)}`)
        this.foreign = readMessageId(earlier.body) !== readMessageId(body)
        box.arrive(back, earlier.body)
      } else if (typeof delivered === 'string') box.fail(delivered, back)
      else if (answerLost) box.fail('CONNECTION_RESET', back)
      else if (there + back > RESPONSE_TIMEOUT_MS)
        box.fail('TIMED_OUT', Math.max(0, RESPONSE_TIMEOUT_MS - there))
      else if (garbled)
        this.#garble(
          delivered.body,
          (text) => box.arrive(back, text),
          () => box.fail('ANSWER_NOT_JSON', back),
        )
      else box.arrive(back, delivered.body)
    })
  }

  #nextFault(): FaultName | null {
    const next = this.#faults.find(({ left }) => left > 0)
    if (!next) return null
    next.left--
    return next.fault
  }

  /** One character of an answer is another one; what is no JSON any more is found by the transport. */
  #garble(body: string, arrive: (text: string) => void, fail: () => void): void {
    const at = this.#random.nextInt(0, body.length - 1)
    const text = `${body.slice(0, at)}${this.#random.pick(Array.from('aZ09_-{" '))}${body.slice(at + 1)}`
    if (isJson(text)) arrive(text)
    else fail()
  }

  /** What comes back: an answer of 200, or the code that a transport gives to what came instead. */
  async #answer(path: string, body: string, fault: AnswerFaultName | null): Promise<Reply | ErrorCode> {
    const instead: { code: ErrorCode | null } = { code: null }
    const decide = async (): Promise<Reply> => {
      const reply = await this.#handler(path, body)
      if (typeof reply === 'string') {
        instead.code = reply
        return { status: 500, headers: {}, body: '{}' }
      }
      this.#earlier.set(path, reply)
      return reply
    }
    if (fault === null) {
      const reply = await decide()
      return instead.code ?? reply
    }
    this.#log(`fault: ${fault}`)
    const earlier = this.#earlier.get(path)
    const { code, inject } = faultCatalog[fault]
    const delivery = await inject({
      decide,
      earlier,
      // Where there is no answer, there is nothing to forge.
      resignUntrusted: async (reply) =>
        instead.code === null ? resignUntrusted(reply, await createUntrustedSigner()) : reply,
    })
    if (instead.code !== null) return instead.code
    if (delivery.kind === 'reply' && delivery.status === 200 && isJson(delivery.body)) return delivery
    return code ?? 'CONNECTION_RESET'
  }
}

/** What a request is, by the end of its path. */
const getRequestKind = (path: string): string => path.split('/').at(-1) ?? ''

const createTransportError = (code: ErrorCode): LicensingError =>
  new LicensingError(code, 'the network failed.')

const readMessageId = (body: string): unknown => {
  const payload = decodePayloadUnverified(JSON.parse(body) as SignedMessage)
  return typeof payload === 'object' && payload !== null && 'messageId' in payload ? payload.messageId : null
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

let untrustedSigner: ReturnType<typeof createUntrustedCredential> | undefined

/** The authority that nobody trusts: made before a history begins, since it is no part of one. */
export const createUntrustedSigner = (): ReturnType<typeof createUntrustedCredential> =>
  (untrustedSigner ??= createUntrustedCredential('answer-signer', Date.parse('2027-01-01T00:00:00Z')))
