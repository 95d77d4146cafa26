import {
  type AnswerFaultName,
  type FaultName,
  faultCatalogue,
  forge,
  isAnswerFault,
  type Reply,
  strangeCredential,
} from '../../src/faults/index.ts'
import { type ErrorCode, LicensingError } from '../../src/core/errors.ts'
import { HOUR, type Instant, SECOND } from '../../src/core/time.ts'
import type { Sealed } from '../../src/protocol/messages.ts'
import type { Transport } from '../../src/transports/transport.ts'
import { peek } from '../../src/pki/signed-message.ts'
import type { Computer } from './computer.ts'
import type { Dice } from './seeded-random.ts'
import type { Weather } from './plan.ts'
import type { Timeline } from './timeline.ts'

/** How long a box waits for an answer. */
const PATIENCE = 30 * SECOND
/** How late a message that was sent once may come a second time. */
const STRAY = HOUR

const fine: Omit<Weather, 'for'> = { lost: 0, lostAnswers: 0, twice: 0, garbled: 0, replayed: 0, slow: 100 }

/** What an authority does with a request: answers, or fails as a server fails. */
export type Answering = (path: string, body: string) => Promise<Reply | ErrorCode>

/** The road of one computer to its authority, a box's or a satellite's, and what stands on it. */
export class Road {
  readonly #box: Computer
  readonly #timeline: Timeline
  readonly #dice: Dice
  readonly #answering: Answering
  readonly #after: () => void
  readonly #told: (what: string) => void
  readonly #earlier = new Map<string, Reply>()
  #weather: Omit<Weather, 'for'> = fine
  #weatherEnds = -Infinity
  #cutUntil = -Infinity
  #faults: { fault: FaultName; left: number }[] = []
  /** Whether what came last to the box answers another of its requests. */
  foreign = false

  constructor(parts: {
    box: Computer
    timeline: Timeline
    dice: Dice
    answering: Answering
    /** Called when something has come to the box. */
    after: () => void
    /** What happens on the road, in words. */
    told: (what: string) => void
  }) {
    this.#box = parts.box
    this.#timeline = parts.timeline
    this.#dice = parts.dice
    this.#answering = parts.answering
    this.#after = parts.after
    this.#told = parts.told
  }

  cut(until: Instant): void {
    this.#cutUntil = Math.max(this.#cutUntil, until)
  }
  storm(weather: Omit<Weather, 'for'>, until: Instant): void {
    this.#weather = weather
    this.#weatherEnds = until
  }
  plan(fault: FaultName, times: number): void {
    this.#faults.push({ fault, left: times })
  }
  mend(): void {
    this.#cutUntil = -Infinity
    this.#weatherEnds = -Infinity
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
    const { life } = this.#box
    return new Promise((resolve, reject) => {
      let open = true
      /** Something comes to the box, if it is still the one that asked. */
      const arrive = (milliseconds: number, how: () => void) => {
        const deliver = () => {
          if (!open || this.#box.life !== life) return
          if (this.#box.power === 'asleep') {
            this.#box.atWaking(() => {
              arrive(0, () => {
                reject(failure('TIMED_OUT'))
              })
            })
            return
          }
          open = false
          underWay.delete(breakOff)
          how()
          this.#timeline.after(0, this.#after)
        }
        this.#timeline.after(milliseconds, deliver)
      }
      const breakOff = () => {
        open = false
        underWay.delete(breakOff)
        reject(failure('CONNECTION_RESET'))
      }
      underWay.add(breakOff)
      const fail = (code: ErrorCode, milliseconds: number) => {
        this.#told(`${kindOf(path)} fails: ${code}`)
        arrive(milliseconds, () => {
          reject(failure(code))
        })
      }
      this.#carry(path, body, {
        fail,
        arrive: (milliseconds, text) => arrive(milliseconds, () => resolve(text)),
      })
    })
  }

  #carry(
    path: string,
    body: string,
    box: {
      fail: (code: ErrorCode, milliseconds: number) => void
      arrive: (milliseconds: number, text: string) => void
    },
  ): void {
    const dice = this.#dice
    this.foreign = false
    const weather = this.#timeline.now() < this.#weatherEnds ? this.#weather : fine
    const there = dice.between(1, weather.slow)
    const back = dice.between(1, weather.slow)
    if (this.#timeline.now() < this.#cutUntil) {
      box.fail(
        dice.pick(['CONNECTION_REFUSED', 'DNS_FAILED', 'TIMED_OUT'] as const),
        dice.between(1, PATIENCE),
      )
      return
    }
    const fault = this.#nextFault()
    if (fault !== null && !isAnswerFault(fault)) {
      box.fail(faultCatalogue[fault].code ?? 'CONNECTION_RESET', there)
      return
    }
    const lost = dice.chance(weather.lost)
    const twice = dice.chance(weather.twice) ? dice.between(0, dice.pick([SECOND, STRAY])) : null
    const answerLost = dice.chance(weather.lostAnswers)
    const garbled = dice.chance(weather.garbled)
    const earlier = dice.chance(weather.replayed) ? this.#earlier.get(path) : undefined
    if (lost) {
      box.fail('TIMED_OUT', PATIENCE)
      return
    }
    // Who plays an answer again may keep the request to himself, or not.
    const kept = earlier !== undefined && dice.chance(0.5)
    if (twice !== null) this.#timeline.after(there + twice, () => this.#answering(path, body))
    this.#timeline.after(there, async () => {
      const delivered = kept ? earlier : await this.#answer(path, body, fault)
      if (earlier !== undefined) {
        this.#told(`an earlier answer comes to ${kindOf(path)}`)
        this.foreign = messageIdOf(earlier.body) !== messageIdOf(body)
        box.arrive(back, earlier.body)
      } else if (typeof delivered === 'string') box.fail(delivered, back)
      else if (answerLost) box.fail('CONNECTION_RESET', back)
      else if (there + back > PATIENCE) box.fail('TIMED_OUT', Math.max(0, PATIENCE - there))
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
    const at = this.#dice.between(0, body.length - 1)
    const text = `${body.slice(0, at)}${this.#dice.pick(Array.from('aZ09_-{" '))}${body.slice(at + 1)}`
    if (isJson(text)) arrive(text)
    else fail()
  }

  /** What comes back: an answer of 200, or the code that a transport gives to what came instead. */
  async #answer(path: string, body: string, fault: AnswerFaultName | null): Promise<Reply | ErrorCode> {
    const instead: { code: ErrorCode | null } = { code: null }
    const decide = async (): Promise<Reply> => {
      const reply = await this.#answering(path, body)
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
    this.#told(`fault: ${fault}`)
    const earlier = this.#earlier.get(path)
    const { code, inject } = faultCatalogue[fault]
    const delivery = await inject({
      decide,
      earlier,
      // Where there is no answer, there is nothing to forge.
      forge: async (reply) => (instead.code === null ? forge(reply, await makeStranger()) : reply),
    })
    if (instead.code !== null) return instead.code
    if (delivery.kind === 'reply' && delivery.status === 200 && isJson(delivery.body)) return delivery
    return code ?? 'CONNECTION_RESET'
  }
}

/** What a request is, by the end of its path. */
const kindOf = (path: string): string => path.split('/').at(-1) ?? ''

const failure = (code: ErrorCode): LicensingError => new LicensingError(code, 'the network failed.')

const messageIdOf = (body: string): unknown => {
  const payload = peek(JSON.parse(body) as Sealed)
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

let stranger: ReturnType<typeof strangeCredential> | undefined

/** The authority that nobody trusts: made before a history begins, since it is no part of one. */
export const makeStranger = (): ReturnType<typeof strangeCredential> =>
  (stranger ??= strangeCredential('answer-signer', Date.parse('2027-01-01T00:00:00Z')))
