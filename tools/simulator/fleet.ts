import TinyQueue from 'tinyqueue'
import {
  initialTransition,
  type Command,
  type UsageCounts,
  type Event,
  nextDeadline,
  type AgentSnapshot,
  type RequestKind,
  type LicenseState,
  getLicenseState,
  transition,
} from '../../machines/index.ts'
import {
  AdmissionController,
  getAuthorizationPriority,
  PRIORITIES,
  type Priority,
} from '../../src/authority/exchange/admission-control.ts'
import { toLicensingError, LicensingError } from '../../src/core/errors.ts'
import { DAY, type Instant, SECOND } from '../../src/core/time.ts'
import { SeededRandom } from './seeded-random.ts'
import { START_TIME } from './simulated-authority.ts'

/** What a fleet lives through. Times are milliseconds, instants are after its beginning. */
export interface FleetPlan {
  readonly seed: number
  readonly boxes: number
  readonly durationMs: number
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
  readonly recovery: RecoveryReport | null
}

export interface RecoveryReport {
  /** Boxes that had tried in vain when the authority came back. */
  readonly waiting: number
  /** How many attempts arrived in each second from then on, until all were right. */
  readonly arrivals: readonly number[]
  /** How many of these were sent away, with a time to come back. */
  readonly sentAway: number
  /** Milliseconds until no box was left whose last attempt was in vain; null where some are left at the end. */
  readonly recoveredAfter: number | null
}

/** From a box to its authority, and back. */
const NETWORK_DELAY_MS = 40
const TAG = 'HOST'
const YEAR = 365 * DAY
const AUTHORIZATION_VALIDITY_MS = 90 * DAY
const MAX_USED = 50

interface SimulatedDevice {
  position: AgentSnapshot
  /** What it is to ask for, the next first. */
  readonly pendingRequests: RequestKind[]
  isRequesting: boolean
  /** When it wakes; another wake that was planned earlier is nothing any more. */
  wakesAt: Instant
  /** Its last attempt was in vain. */
  lastAttemptFailed: boolean
  /** What it asked to be authorized for. */
  requestedCounts: UsageCounts
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
export function simulateFleet(plan: FleetPlan): FleetReport {
  return new Fleet(plan).run()
}

class Fleet {
  readonly #plan: FleetPlan
  readonly #random: SeededRandom
  readonly #devices: SimulatedDevice[] = []
  readonly #agenda = new TinyQueue<Entry>([], (a, b) => a.at - b.at || a.number - b.number)
  readonly #admission: AdmissionController
  readonly #queues: Readonly<Record<Priority, (() => void)[]>> = {
    'deadline-near': [],
    registration: [],
    routine: [],
  }
  #now: Instant = START_TIME
  #planned = 0
  #steps = 0
  #answered = 0
  #expired = 0
  #busyUntil: Instant = START_TIME
  #working = false
  #failedDevices = 0
  #waiting = 0
  #sentAway = 0
  #arrivals: number[] = []
  /** When, after the outage, all were right. */
  #recoveredAt: Instant | null = null

  constructor(plan: FleetPlan) {
    this.#plan = plan
    this.#random = new SeededRandom(`${plan.seed} fleet`)
    this.#admission = new AdmissionController(() => this.#now)
    for (let number = 0; number < plan.boxes; number++)
      this.#schedule(START_TIME + this.#random.nextFloat() * plan.installedWithin, () => {
        this.#install()
      })
    const { outage } = plan
    if (outage)
      this.#schedule(START_TIME + outage.until, () => {
        this.#waiting = this.#failedDevices
      })
  }

  run(): FleetReport {
    const end = START_TIME + this.#plan.durationMs
    for (let next = this.#agenda.pop(); next && next.at <= end; next = this.#agenda.pop()) {
      this.#now = next.at
      next.run()
    }
    const states: Partial<Record<LicenseState, number>> = {}
    for (const { position } of this.#devices) {
      const word = getLicenseState(position.value)
      states[word] = (states[word] ?? 0) + 1
    }
    return {
      steps: this.#steps,
      answered: this.#answered,
      states,
      expired: this.#expired,
      recovery: this.#createRecoveryReport(),
    }
  }

  #createRecoveryReport(): RecoveryReport | null {
    const { outage } = this.#plan
    if (!outage) return null
    return {
      waiting: this.#waiting,
      arrivals: Array.from({ length: this.#arrivals.length }, (_, second) => this.#arrivals[second] ?? 0),
      sentAway: this.#sentAway,
      recoveredAfter: this.#recoveredAt === null ? null : this.#recoveredAt - START_TIME - outage.until,
    }
  }

  #schedule(at: Instant, run: () => void): void {
    this.#agenda.push({ at: Math.max(at, this.#now), number: this.#planned++, run })
  }

  #install(): void {
    const { snapshot } = initialTransition(this.#now)
    const box: SimulatedDevice = {
      position: snapshot,
      pendingRequests: [],
      isRequesting: false,
      wakesAt: Infinity,
      lastAttemptFailed: false,
      requestedCounts: {},
    }
    this.#devices.push(box)
    this.#step(box, {
      type: 'usage.changed',
      at: this.#now,
      tag: TAG,
      count: this.#random.nextInt(1, MAX_USED),
    })
    this.#step(box, { type: 'register', at: this.#now, force: false, again: false })
    this.#proceed(box)
    const { usageChanges } = this.#plan
    if (usageChanges)
      this.#planUsage(box, Math.max(this.#now, START_TIME + usageChanges.from), usageChanges.every)
  }

  #planUsage(box: SimulatedDevice, from: Instant, every: number): void {
    this.#schedule(from - every * Math.log(1 - this.#random.nextFloat()), () => {
      this.#step(box, {
        type: 'usage.changed',
        at: this.#now,
        tag: TAG,
        count: this.#random.nextInt(1, MAX_USED),
      })
      this.#proceed(box)
      this.#planUsage(box, this.#now, every)
    })
  }

  #step(box: SimulatedDevice, event: Event): void {
    this.#steps++
    const { snapshot, commands } = transition(box.position, event)
    box.position = snapshot
    for (const command of commands) this.#applyCommand(box, command)
  }

  /** As an agent does: the same request is waited for once, and what is over is not asked any more. */
  #applyCommand({ pendingRequests }: SimulatedDevice, command: Command): void {
    if (command.type === 'request') {
      const { kind } = command.params
      if (!pendingRequests.includes(kind)) pendingRequests.push(kind)
    } else if (command.type === 'discardSecrets') {
      const over = (kind: RequestKind) => (kind === 'register') === (command.params.what === 'registering')
      pendingRequests.splice(0, pendingRequests.length, ...pendingRequests.filter((kind) => !over(kind)))
    } else if (command.params.notice === 'AUTHORIZATION_EXPIRED') this.#expired++
  }

  /** Asks what is to be asked, and sleeps until the next is due. */
  #proceed(box: SimulatedDevice): void {
    this.#ask(box)
    const due = nextDeadline(box.position)
    if (due === null || due === box.wakesAt) return
    box.wakesAt = due
    this.#schedule(due, () => {
      if (box.wakesAt !== due) return
      box.wakesAt = Infinity
      this.#step(box, { type: 'tick', at: this.#now, used: 0 })
      this.#proceed(box)
    })
  }

  #ask(box: SimulatedDevice): void {
    const [kind] = box.pendingRequests
    if (kind === undefined || box.isRequesting) return
    box.isRequesting = true
    box.requestedCounts = box.position.context.usage.counts
    this.#schedule(this.#now + NETWORK_DELAY_MS, () => {
      this.#arrive(box, kind)
    })
  }

  #isAway(): boolean {
    const { outage } = this.#plan
    const since = this.#now - START_TIME
    return outage !== null && since >= outage.from && since < outage.until
  }

  /** The authority is back, and not all boxes are right yet. */
  #isRecovering(): boolean {
    const { outage } = this.#plan
    return outage !== null && this.#now - START_TIME >= outage.until && this.#recoveredAt === null
  }

  #arrive(box: SimulatedDevice, kind: RequestKind): void {
    const { outage, work } = this.#plan
    if (this.#isAway()) {
      this.#fail(box, kind, new LicensingError('CONNECTION_REFUSED', 'Nobody answers.'))
      return
    }
    const recovering = outage !== null && this.#isRecovering()
    if (recovering) {
      const second = Math.floor((this.#now - START_TIME - outage.until) / SECOND)
      this.#arrivals[second] = (this.#arrivals[second] ?? 0) + 1
    }
    const urgency =
      kind === 'authorize'
        ? getAuthorizationPriority(box.position.context.authorization.deadlineAt, this.#now)
        : 'registration'
    try {
      this.#admission.admit(urgency)
    } catch (error) {
      if (recovering) this.#sentAway++
      this.#busyUntil = Math.max(this.#busyUntil, this.#now) + work.sendAway
      this.#fail(box, kind, toLicensingError(error))
      return
    }
    this.#admission.enqueue(urgency)
    this.#queues[urgency].push(() => {
      this.#grant(box, kind)
    })
    this.#work()
  }

  /** The authority answers one after the other, the most urgent first. */
  #work(): void {
    if (this.#working) return
    const urgency = PRIORITIES.find((one) => this.#queues[one].length > 0)
    const answer = urgency && this.#queues[urgency].shift()
    if (!answer) return
    this.#working = true
    const begun = Math.max(this.#busyUntil, this.#now)
    this.#busyUntil = begun + this.#plan.work.answer
    this.#schedule(this.#busyUntil, () => {
      this.#working = false
      this.#admission.dequeue(urgency)
      this.#admission.recordDuration(1, this.#plan.work.answer)
      this.#answered++
      answer()
      this.#work()
    })
  }

  #grant(box: SimulatedDevice, kind: RequestKind): void {
    this.#schedule(this.#now + NETWORK_DELAY_MS, () => {
      this.#finish(box, kind, this.#toAcceptedEvent(box, kind))
      if (box.lastAttemptFailed) this.#failedDevices--
      box.lastAttemptFailed = false
      if (this.#failedDevices === 0 && this.#isRecovering()) this.#recoveredAt = this.#now
    })
  }

  #fail(box: SimulatedDevice, kind: RequestKind, error: LicensingError): void {
    this.#schedule(this.#now + NETWORK_DELAY_MS, () => {
      this.#finish(box, kind, {
        type: `${kind}.unreachable`,
        at: this.#now,
        failure: LicensingError.fromDocument(error),
        jitter: this.#random.nextFloat(),
        retryAfter: error.retryAfterMs ?? null,
      })
      if (!box.lastAttemptFailed) this.#failedDevices++
      box.lastAttemptFailed = true
    })
  }

  #finish(box: SimulatedDevice, kind: RequestKind, event: Event): void {
    box.isRequesting = false
    const place = box.pendingRequests.indexOf(kind)
    // Nobody waits for it any more.
    if (place < 0) return
    box.pendingRequests.splice(place, 1)
    this.#step(box, event)
    this.#proceed(box)
  }

  #toAcceptedEvent(box: SimulatedDevice, kind: RequestKind): Event {
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
          counts: box.requestedCounts,
          compliant: true,
          entitlements: Object.entries(box.requestedCounts).map(([tag, count]) => ({
            tag,
            name: tag,
            description: '',
            count,
            status: 'in-compliance',
          })),
          deadlineAt: at + AUTHORIZATION_VALIDITY_MS,
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
