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

/** Options of a fleet simulation. Durations are in milliseconds. Instants are in milliseconds from its start. */
export interface FleetPlan {
  readonly seed: number
  readonly devices: number
  readonly durationMs: number
  /** Period from the start within which all devices are installed and registered. */
  readonly installedWithin: number
  /** Mean interval between usage changes of a device, and their start. Null means that usage never changes. */
  readonly usageChanges: { readonly every: number; readonly from: Instant } | null
  /** Period in which the authority is unreachable. Null means that there is none. */
  readonly outage: { readonly from: Instant; readonly until: Instant } | null
  /** Time the authority spends on an answered exchange, TLS handshake included, and on a rejected one. */
  readonly work: { readonly answer: number; readonly sendAway: number }
}

/** Result of a fleet simulation. */
export interface FleetReport {
  /** Number of state machine steps of all devices. */
  readonly steps: number
  /** Number of answered exchanges. */
  readonly answered: number
  /** Number of devices by their final license state. */
  readonly states: Readonly<Partial<Record<LicenseState, number>>>
  /** Number of authorizations that expired before they were renewed. */
  readonly expired: number
  /** Recovery after the outage. Null if the plan has none. */
  readonly recovery: RecoveryReport | null
}

export interface RecoveryReport {
  /** Number of devices whose last attempt had failed when the outage ended. */
  readonly waiting: number
  /** Attempts per second from the end of the outage until all devices had recovered. */
  readonly arrivals: readonly number[]
  /** Number of those attempts that were rejected with `Retry-After`. */
  readonly sentAway: number
  /** Milliseconds until every device had recovered. Null if some had not at the end. */
  readonly recoveredAfter: number | null
}

/** One-way delay between a device and its authority. */
const NETWORK_DELAY_MS = 40
const TAG = 'HOST'
const YEAR = 365 * DAY
const AUTHORIZATION_VALIDITY_MS = 90 * DAY
const MAX_USED = 50

interface SimulatedDevice {
  position: AgentSnapshot
  /** Requests to send, the next one first. */
  readonly pendingRequests: RequestKind[]
  isRequesting: boolean
  /** Instant of the next tick. A tick scheduled for another instant is obsolete. */
  wakesAt: Instant
  lastAttemptFailed: boolean
  /** Usage counts in the request in progress. */
  requestedCounts: UsageCounts
}

interface Entry {
  readonly at: Instant
  readonly number: number
  readonly run: () => void
}

/**
 * Simulates a fleet of many thousand devices. Each device runs the real agent machine with its retries, jitter and deadlines,
 * and the authority uses its real admission control. Disks, messages, signatures and the authority's database are left out, so
 * every admitted request is accepted. The report depends on the plan only.
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
  /** Instant after the outage at which all devices had recovered. */
  #recoveredAt: Instant | null = null

  constructor(plan: FleetPlan) {
    this.#plan = plan
    this.#random = new SeededRandom(`${plan.seed} fleet`)
    this.#admission = new AdmissionController(() => this.#now)
    for (let number = 0; number < plan.devices; number++)
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
      const state = getLicenseState(position.value)
      states[state] = (states[state] ?? 0) + 1
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
    const device: SimulatedDevice = {
      position: snapshot,
      pendingRequests: [],
      isRequesting: false,
      wakesAt: Infinity,
      lastAttemptFailed: false,
      requestedCounts: {},
    }
    this.#devices.push(device)
    this.#step(device, {
      type: 'usage.changed',
      at: this.#now,
      tag: TAG,
      count: this.#random.nextInt(1, MAX_USED),
    })
    this.#step(device, { type: 'registration.start', at: this.#now, force: false, again: false })
    this.#proceed(device)
    const { usageChanges } = this.#plan
    if (usageChanges)
      this.#planUsage(device, Math.max(this.#now, START_TIME + usageChanges.from), usageChanges.every)
  }

  #planUsage(device: SimulatedDevice, from: Instant, every: number): void {
    this.#schedule(from - every * Math.log(1 - this.#random.nextFloat()), () => {
      this.#step(device, {
        type: 'usage.changed',
        at: this.#now,
        tag: TAG,
        count: this.#random.nextInt(1, MAX_USED),
      })
      this.#proceed(device)
      this.#planUsage(device, this.#now, every)
    })
  }

  #step(device: SimulatedDevice, event: Event): void {
    this.#steps++
    const { snapshot, commands } = transition(device.position, event)
    device.position = snapshot
    for (const command of commands) this.#applyCommand(device, command)
  }

  /** Queues and removes requests as an agent does: one request of a kind is pending at most. */
  #applyCommand({ pendingRequests }: SimulatedDevice, command: Command): void {
    if (command.type === 'request') {
      const { kind } = command.params
      if (!pendingRequests.includes(kind)) pendingRequests.push(kind)
    } else if (command.type === 'discardSecrets') {
      const isObsolete = (kind: RequestKind) =>
        (kind === 'register') === (command.params.what === 'registering')
      pendingRequests.splice(
        0,
        pendingRequests.length,
        ...pendingRequests.filter((kind) => !isObsolete(kind)),
      )
    } else if (command.params.notice === 'AUTHORIZATION_EXPIRED') this.#expired++
  }

  /** Sends the next pending request, and schedules a tick for the next deadline. */
  #proceed(device: SimulatedDevice): void {
    this.#ask(device)
    const due = nextDeadline(device.position)
    if (due === null || due === device.wakesAt) return
    device.wakesAt = due
    this.#schedule(due, () => {
      if (device.wakesAt !== due) return
      device.wakesAt = Infinity
      this.#step(device, { type: 'clock.tick', at: this.#now, used: 0 })
      this.#proceed(device)
    })
  }

  #ask(device: SimulatedDevice): void {
    const [kind] = device.pendingRequests
    if (kind === undefined || device.isRequesting) return
    device.isRequesting = true
    device.requestedCounts = device.position.context.usage.counts
    this.#schedule(this.#now + NETWORK_DELAY_MS, () => {
      this.#arrive(device, kind)
    })
  }

  #isInOutage(): boolean {
    const { outage } = this.#plan
    const since = this.#now - START_TIME
    return outage !== null && since >= outage.from && since < outage.until
  }

  /** Returns whether the outage is over and some devices have not recovered yet. */
  #isRecovering(): boolean {
    const { outage } = this.#plan
    return outage !== null && this.#now - START_TIME >= outage.until && this.#recoveredAt === null
  }

  #arrive(device: SimulatedDevice, kind: RequestKind): void {
    const { outage, work } = this.#plan
    if (this.#isInOutage()) {
      this.#fail(device, kind, new LicensingError('CONNECTION_REFUSED', 'The authority is unreachable.'))
      return
    }
    const recovering = outage !== null && this.#isRecovering()
    if (recovering) {
      const second = Math.floor((this.#now - START_TIME - outage.until) / SECOND)
      this.#arrivals[second] = (this.#arrivals[second] ?? 0) + 1
    }
    const urgency =
      kind === 'authorize'
        ? getAuthorizationPriority(device.position.context.authorization.deadlineAt, this.#now)
        : 'registration'
    try {
      this.#admission.admit(urgency)
    } catch (error) {
      if (recovering) this.#sentAway++
      this.#busyUntil = Math.max(this.#busyUntil, this.#now) + work.sendAway
      this.#fail(device, kind, toLicensingError(error))
      return
    }
    this.#admission.enqueue(urgency)
    this.#queues[urgency].push(() => {
      this.#grant(device, kind)
    })
    this.#work()
  }

  /** Serves queued exchanges one by one, by descending priority. */
  #work(): void {
    if (this.#working) return
    const urgency = PRIORITIES.find((priority) => this.#queues[priority].length > 0)
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

  #grant(device: SimulatedDevice, kind: RequestKind): void {
    this.#schedule(this.#now + NETWORK_DELAY_MS, () => {
      this.#finish(device, kind, this.#toAcceptedEvent(device, kind))
      if (device.lastAttemptFailed) this.#failedDevices--
      device.lastAttemptFailed = false
      if (this.#failedDevices === 0 && this.#isRecovering()) this.#recoveredAt = this.#now
    })
  }

  #fail(device: SimulatedDevice, kind: RequestKind, error: LicensingError): void {
    this.#schedule(this.#now + NETWORK_DELAY_MS, () => {
      this.#finish(device, kind, {
        type: `${kind}.unreachable`,
        at: this.#now,
        failure: LicensingError.fromDocument(error),
        jitter: this.#random.nextFloat(),
        retryAfter: error.retryAfterMs ?? null,
      })
      if (!device.lastAttemptFailed) this.#failedDevices++
      device.lastAttemptFailed = true
    })
  }

  #finish(device: SimulatedDevice, kind: RequestKind, event: Event): void {
    device.isRequesting = false
    const index = device.pendingRequests.indexOf(kind)
    // The machine has discarded the request in the meantime.
    if (index < 0) return
    device.pendingRequests.splice(index, 1)
    this.#step(device, event)
    this.#proceed(device)
  }

  #toAcceptedEvent(device: SimulatedDevice, kind: RequestKind): Event {
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
          counts: device.requestedCounts,
          compliant: true,
          entitlements: Object.entries(device.requestedCounts).map(([tag, count]) => ({
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
