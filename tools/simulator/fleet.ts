import TinyQueue from 'tinyqueue'
import {
  begin,
  type Command,
  type Counts,
  type Event,
  nextDueAt,
  type Position,
  type RequestKind,
  type LicenseState,
  stateWord,
  step,
} from '../../machines/index.ts'
import {
  Admission,
  authorizationUrgency,
  URGENCIES,
  type Urgency,
} from '../../src/authority/exchange/admission-control.ts'
import { asLicensingError, LicensingError } from '../../src/core/errors.ts'
import { DAY, type Instant, SECOND } from '../../src/core/time.ts'
import { Dice } from './seeded-random.ts'
import { START } from './simulated-authority.ts'

/** What a fleet lives through. Times are milliseconds, instants are after its beginning. */
export interface FleetPlan {
  readonly seed: number
  readonly boxes: number
  readonly lasts: number
  /** The boxes are installed, and registered, within this much. */
  readonly installedWithin: number
  /** How often a box uses more or less than before, in the mean; null where that never changes. */
  readonly usageChanges: { readonly every: number; readonly from: Instant } | null
  /** When nobody reaches the authority; null where it is always there. */
  readonly outage: { readonly from: Instant; readonly until: Instant } | null
  /** What the authority works for an exchange that it answers, its TLS greeting included; and for one it sends away. */
  readonly work: { readonly answer: number; readonly sendAway: number }
}

/** What came of it. */
export interface FleetReport {
  /** Steps of the chart, of all boxes together. */
  readonly steps: number
  /** Exchanges that were answered. */
  readonly answered: number
  /** Boxes by their state at the end. */
  readonly states: Readonly<Partial<Record<LicenseState, number>>>
  /** Authorizations that ended before they were renewed. */
  readonly expired: number
  /** What followed the outage; null without one. */
  readonly after: Aftermath | null
}

export interface Aftermath {
  /** Boxes that had tried in vain when the authority came back. */
  readonly waiting: number
  /** How many attempts arrived in each second from then on, until all were right. */
  readonly arrivals: readonly number[]
  /** How many of these were sent away, with a time to come back. */
  readonly sentAway: number
  /** Milliseconds until no box was left whose last attempt was in vain; null where some are left at the end. */
  readonly rightAfter: number | null
}

/** From a box to its authority, and back. */
const ROAD = 40
const TAG = 'HOST'
const YEAR = 365 * DAY
const VALIDITY = 90 * DAY
const MOST_USED = 50

interface Box {
  position: Position
  /** What it is to ask for, the next first. */
  readonly asks: RequestKind[]
  asking: boolean
  /** When it wakes; another wake that was planned earlier is nothing any more. */
  wakesAt: Instant
  /** Its last attempt was in vain. */
  inVain: boolean
  /** What it asked to be authorized for. */
  asked: Counts
}

interface Entry {
  readonly at: Instant
  readonly number: number
  readonly run: () => void
}

/**
 * Lets a fleet of many thousand boxes live: each is the statechart of the agent, with its retries, jitter and deadlines, and the
 * authority lets exchanges in by its own rules. Stand-ins: disks, messages, signatures and the books of the authority are left
 * out, so that every request that is let in is granted. The same plan, the same report.
 */
export function letFleetLive(plan: FleetPlan): FleetReport {
  return new Fleet(plan).live()
}

class Fleet {
  readonly #plan: FleetPlan
  readonly #dice: Dice
  readonly #boxes: Box[] = []
  readonly #agenda = new TinyQueue<Entry>([], (a, b) => a.at - b.at || a.number - b.number)
  readonly #admission: Admission
  readonly #queues: Readonly<Record<Urgency, (() => void)[]>> = {
    'deadline-near': [],
    registration: [],
    routine: [],
  }
  #now: Instant = START
  #planned = 0
  #steps = 0
  #answered = 0
  #expired = 0
  #busyUntil: Instant = START
  #working = false
  #inVain = 0
  #waiting = 0
  #sentAway = 0
  #arrivals: number[] = []
  /** When, after the outage, all were right. */
  #rightAt: Instant | null = null

  constructor(plan: FleetPlan) {
    this.#plan = plan
    this.#dice = new Dice(`${plan.seed} fleet`)
    this.#admission = new Admission(() => this.#now)
    for (let number = 0; number < plan.boxes; number++)
      this.#at(START + this.#dice.fraction() * plan.installedWithin, () => {
        this.#install()
      })
    const { outage } = plan
    if (outage)
      this.#at(START + outage.until, () => {
        this.#waiting = this.#inVain
      })
  }

  live(): FleetReport {
    const end = START + this.#plan.lasts
    for (let next = this.#agenda.pop(); next && next.at <= end; next = this.#agenda.pop()) {
      this.#now = next.at
      next.run()
    }
    const states: Partial<Record<LicenseState, number>> = {}
    for (const { position } of this.#boxes) {
      const word = stateWord(position.value)
      states[word] = (states[word] ?? 0) + 1
    }
    return {
      steps: this.#steps,
      answered: this.#answered,
      states,
      expired: this.#expired,
      after: this.#aftermath(),
    }
  }

  #aftermath(): Aftermath | null {
    const { outage } = this.#plan
    if (!outage) return null
    return {
      waiting: this.#waiting,
      arrivals: Array.from({ length: this.#arrivals.length }, (_, second) => this.#arrivals[second] ?? 0),
      sentAway: this.#sentAway,
      rightAfter: this.#rightAt === null ? null : this.#rightAt - START - outage.until,
    }
  }

  #at(at: Instant, run: () => void): void {
    this.#agenda.push({ at: Math.max(at, this.#now), number: this.#planned++, run })
  }

  #install(): void {
    const { position } = begin(this.#now)
    const box: Box = { position, asks: [], asking: false, wakesAt: Infinity, inVain: false, asked: {} }
    this.#boxes.push(box)
    this.#step(box, { type: 'USAGE', at: this.#now, tag: TAG, count: this.#dice.between(1, MOST_USED) })
    this.#step(box, { type: 'REGISTER', at: this.#now, force: false, again: false })
    this.#goOn(box)
    const { usageChanges } = this.#plan
    if (usageChanges) this.#planUsage(box, Math.max(this.#now, START + usageChanges.from), usageChanges.every)
  }

  #planUsage(box: Box, from: Instant, every: number): void {
    this.#at(from - every * Math.log(1 - this.#dice.fraction()), () => {
      this.#step(box, { type: 'USAGE', at: this.#now, tag: TAG, count: this.#dice.between(1, MOST_USED) })
      this.#goOn(box)
      this.#planUsage(box, this.#now, every)
    })
  }

  #step(box: Box, event: Event): void {
    this.#steps++
    const { position, commands } = step(box.position, event)
    box.position = position
    for (const command of commands) this.#take(box, command)
  }

  /** As an agent does: the same request is waited for once, and what is over is not asked any more. */
  #take({ asks }: Box, command: Command): void {
    if (command.type === 'request') {
      const { kind } = command.params
      if (!asks.includes(kind)) asks.push(kind)
    } else if (command.type === 'forget') {
      const over = (kind: RequestKind) => (kind === 'register') === (command.params.what === 'registering')
      asks.splice(0, asks.length, ...asks.filter((kind) => !over(kind)))
    } else if (command.params.notice === 'AUTHORIZATION_EXPIRED') this.#expired++
  }

  /** Asks what is to be asked, and sleeps until the next is due. */
  #goOn(box: Box): void {
    this.#ask(box)
    const due = nextDueAt(box.position)
    if (due === null || due === box.wakesAt) return
    box.wakesAt = due
    this.#at(due, () => {
      if (box.wakesAt !== due) return
      box.wakesAt = Infinity
      this.#step(box, { type: 'TICK', at: this.#now, used: 0 })
      this.#goOn(box)
    })
  }

  #ask(box: Box): void {
    const [kind] = box.asks
    if (kind === undefined || box.asking) return
    box.asking = true
    box.asked = box.position.context.usage.counts
    this.#at(this.#now + ROAD, () => {
      this.#arrive(box, kind)
    })
  }

  #isAway(): boolean {
    const { outage } = this.#plan
    const since = this.#now - START
    return outage !== null && since >= outage.from && since < outage.until
  }

  /** The authority is back, and not all boxes are right yet. */
  #isRecovering(): boolean {
    const { outage } = this.#plan
    return outage !== null && this.#now - START >= outage.until && this.#rightAt === null
  }

  #arrive(box: Box, kind: RequestKind): void {
    const { outage, work } = this.#plan
    if (this.#isAway()) {
      this.#fail(box, kind, new LicensingError('CONNECTION_REFUSED', 'Nobody answers.'))
      return
    }
    const recovering = outage !== null && this.#isRecovering()
    if (recovering) {
      const second = Math.floor((this.#now - START - outage.until) / SECOND)
      this.#arrivals[second] = (this.#arrivals[second] ?? 0) + 1
    }
    const urgency =
      kind === 'authorize'
        ? authorizationUrgency(box.position.context.authorization.deadlineAt, this.#now)
        : 'registration'
    try {
      this.#admission.require(urgency)
    } catch (thrown) {
      if (recovering) this.#sentAway++
      this.#busyUntil = Math.max(this.#busyUntil, this.#now) + work.sendAway
      this.#fail(box, kind, asLicensingError(thrown))
      return
    }
    this.#admission.joined(urgency)
    this.#queues[urgency].push(() => {
      this.#grant(box, kind)
    })
    this.#work()
  }

  /** The authority answers one after the other, the most urgent first. */
  #work(): void {
    if (this.#working) return
    const urgency = URGENCIES.find((one) => this.#queues[one].length > 0)
    const answer = urgency && this.#queues[urgency].shift()
    if (!answer) return
    this.#working = true
    const begun = Math.max(this.#busyUntil, this.#now)
    this.#busyUntil = begun + this.#plan.work.answer
    this.#at(this.#busyUntil, () => {
      this.#working = false
      this.#admission.left(urgency)
      this.#admission.took(1, this.#plan.work.answer)
      this.#answered++
      answer()
      this.#work()
    })
  }

  #grant(box: Box, kind: RequestKind): void {
    this.#at(this.#now + ROAD, () => {
      this.#conclude(box, kind, this.#granted(box, kind))
      if (box.inVain) this.#inVain--
      box.inVain = false
      if (this.#inVain === 0 && this.#isRecovering()) this.#rightAt = this.#now
    })
  }

  #fail(box: Box, kind: RequestKind, thrown: LicensingError): void {
    this.#at(this.#now + ROAD, () => {
      this.#conclude(box, kind, {
        type: `${kind}.unreachable`,
        at: this.#now,
        failure: LicensingError.fromDocument(thrown),
        jitter: this.#dice.fraction(),
        retryAfter: thrown.retryAfterMs ?? null,
      })
      if (!box.inVain) this.#inVain++
      box.inVain = true
    })
  }

  #conclude(box: Box, kind: RequestKind, event: Event): void {
    box.asking = false
    const place = box.asks.indexOf(kind)
    // Nobody waits for it any more.
    if (place < 0) return
    box.asks.splice(place, 1)
    this.#step(box, event)
    this.#goOn(box)
  }

  #granted(box: Box, kind: RequestKind): Event {
    const at = this.#now
    const account = { smartAccount: 'example.com', virtualAccount: 'Default' }
    switch (kind) {
      case 'register':
        return {
          type: 'register.accepted',
          at,
          registration: {
            ...account,
            instanceId: 'instance',
            exportControlled: false,
            registeredAt: at,
            expiresAt: at + YEAR,
          },
        }
      case 'authorize':
        return {
          type: 'authorize.accepted',
          at,
          ...account,
          counts: box.asked,
          compliant: true,
          entitlements: Object.entries(box.asked).map(([tag, count]) => ({
            tag,
            name: tag,
            description: '',
            count,
            status: 'in-compliance',
          })),
          deadlineAt: at + VALIDITY,
          nextContactAt: null,
        }
      case 'renew':
        return { type: 'renew.accepted', at, expiresAt: at + YEAR }
      case 'acknowledge':
        return { type: 'acknowledge.accepted', at }
      case 'deregister':
        return { type: 'deregister.accepted', at }
    }
  }
}
