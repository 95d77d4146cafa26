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

const RESPONSE_TIMEOUT_MS = 30 * SECOND
/** Maximum delay of the second copy of a duplicated request. */
const MAX_DUPLICATE_DELAY_MS = HOUR

const GOOD_CONDITIONS: Omit<LinkConditions, 'for'> = {
  lost: 0,
  lostAnswers: 0,
  twice: 0,
  garbled: 0,
  replayed: 0,
  slow: 100,
}

/** Handler of a request: returns the answer, or the error code of a failed server. */
export type RequestHandler = (path: string, body: string) => Promise<Reply | ErrorCode>

/** Simulated network link from a device or a satellite to its authority, with its faults. */
export class SimulatedLink {
  readonly #device: Computer
  readonly #timeline: EventScheduler
  readonly #random: SeededRandom
  readonly #handler: RequestHandler
  readonly #after: () => void
  readonly #log: (message: string) => void
  readonly #earlier = new Map<string, Reply>()
  #conditions: Omit<LinkConditions, 'for'> = GOOD_CONDITIONS
  #conditionsEndAt = -Infinity
  #disconnectedUntil = -Infinity
  #faults: { fault: FaultName; left: number }[] = []
  /** True if the last delivered answer belongs to another request of the device. */
  foreign = false

  constructor(parts: {
    device: Computer
    timeline: EventScheduler
    random: SeededRandom
    answering: RequestHandler
    /** Called after an answer or an error was delivered to the device. */
    after: () => void
    /** Writes a line to the trace. */
    log: (message: string) => void
  }) {
    this.#device = parts.device
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

  /** Creates a transport for one run of the device's program. */
  transport(): Transport {
    const inProgress = new Set<() => void>()
    return {
      post: (path, body) => this.#post(path, body, inProgress),
      close: ({ now = false } = {}) => {
        if (now) for (const abort of inProgress) abort()
      },
    }
  }

  #post(path: string, body: string, inProgress: Set<() => void>): Promise<string> {
    const { generation } = this.#device
    return new Promise((resolve, reject) => {
      let open = true
      /** Settles the request after a delay, if the program that sent it still runs. */
      const arrive = (milliseconds: number, settle: () => void) => {
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
          inProgress.delete(abort)
          settle()
          this.#timeline.scheduleAfter(0, this.#after)
        }
        this.#timeline.scheduleAfter(milliseconds, deliver)
      }
      const abort = () => {
        open = false
        inProgress.delete(abort)
        reject(createTransportError('CONNECTION_RESET'))
      }
      inProgress.add(abort)
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
    sender: {
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
      sender.fail(
        random.pick(['CONNECTION_REFUSED', 'DNS_FAILED', 'TIMED_OUT'] as const),
        random.nextInt(1, RESPONSE_TIMEOUT_MS),
      )
      return
    }
    const fault = this.#nextFault()
    if (fault !== null && !isAnswerFault(fault)) {
      sender.fail(faultCatalog[fault].code ?? 'CONNECTION_RESET', there)
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
      sender.fail('TIMED_OUT', RESPONSE_TIMEOUT_MS)
      return
    }
    // An attacker who replays an answer may also hold back the request.
    const isHeldBack = earlier !== undefined && random.nextBoolean(0.5)
    if (twice !== null) this.#timeline.scheduleAfter(there + twice, () => this.#handler(path, body))
    this.#timeline.scheduleAfter(there, async () => {
      const delivered = isHeldBack ? earlier : await this.#answer(path, body, fault)
      if (earlier !== undefined) {
        this.#log(`an earlier answer comes to ${getRequestKind(path)}`)
        this.foreign = readMessageId(earlier.body) !== readMessageId(body)
        sender.arrive(back, earlier.body)
      } else if (typeof delivered === 'string') sender.fail(delivered, back)
      else if (answerLost) sender.fail('CONNECTION_RESET', back)
      else if (there + back > RESPONSE_TIMEOUT_MS)
        sender.fail('TIMED_OUT', Math.max(0, RESPONSE_TIMEOUT_MS - there))
      else if (garbled)
        this.#garble(
          delivered.body,
          (text) => sender.arrive(back, text),
          () => sender.fail('ANSWER_NOT_JSON', back),
        )
      else sender.arrive(back, delivered.body)
    })
  }

  #nextFault(): FaultName | null {
    const next = this.#faults.find(({ left }) => left > 0)
    if (!next) return null
    next.left--
    return next.fault
  }

  /** Replaces one character of an answer. The transport detects a result that is not valid JSON. */
  #garble(body: string, arrive: (text: string) => void, fail: () => void): void {
    const at = this.#random.nextInt(0, body.length - 1)
    const text = `${body.slice(0, at)}${this.#random.pick(Array.from('aZ09_-{" '))}${body.slice(at + 1)}`
    if (isJson(text)) arrive(text)
    else fail()
  }

  /** Returns the answer with status 200, or the error code that a transport reports in its place. */
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
      // A failed server has sent no answer that could be forged.
      resignUntrusted: async (reply) =>
        instead.code === null ? resignUntrusted(reply, await createUntrustedSigner()) : reply,
    })
    if (instead.code !== null) return instead.code
    if (delivery.kind === 'reply' && delivery.status === 200 && isJson(delivery.body)) return delivery
    return code ?? 'CONNECTION_RESET'
  }
}

const getRequestKind = (path: string): string => path.split('/').at(-1) ?? ''

const createTransportError = (code: ErrorCode): LicensingError =>
  new LicensingError(code, 'The simulated network failed.')

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

/** Returns the credential of an untrusted authority. It is created before a run starts, as it is not part of the run. */
export const createUntrustedSigner = (): ReturnType<typeof createUntrustedCredential> =>
  (untrustedSigner ??= createUntrustedCredential('answer-signer', Date.parse('2027-01-01T00:00:00Z')))
