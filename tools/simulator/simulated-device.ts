import { axisPath, nextDueAt, type Position, stateWord } from '../../machines/index.ts'
import { type AgentLogger, type OpenOptions, SmartAgent, type Transition } from '../../src/index.ts'
import { asLicensingError, LicensingError } from '../../src/core/errors.ts'
import { HOUR, MINUTE, SECOND } from '../../src/core/time.ts'
import { isHigher } from '../../src/core/product-version.ts'
import { Computer } from './computer.ts'
import type { Dice } from './seeded-random.ts'
import type { SimulatedDisk } from './disk.ts'
import { type Answering, Road } from './network.ts'
import type { Timeline } from './timeline.ts'
import { type Invariant, Violation, whole } from './invariants.ts'

/** What of the outside world a box needs: what is said goes there, and what is wrong. */
export interface Surroundings {
  readonly timeline: Timeline
  readonly dice: Dice
  readonly answering: Answering
  readonly trust: () => string
  readonly log: (who: string, what: string) => void
  readonly say: (text: string) => void
  readonly violated: (violation: Violation) => void
  /** Milliseconds after which a box to which nothing happens beats again. */
  readonly slowestBeat: number
}

/** Product version a box is delivered with. */
const VERSION = '4.0'
/** What an agent charges of the evaluation for being opened. */
const OPENING_SECONDS = 60

/** One box: its computer, its agent as long as there is power, its road, and what it must not forget. */
export class SimulatedBox {
  readonly name: string
  readonly computer: Computer
  readonly road: Road
  /** Its program, while it runs. */
  agent: SmartAgent | null = null
  /** What the product says it uses; where a crash came between, either of two counts. */
  readonly #used = new Map<string, readonly number[]>()
  /** Whether its data directory is a copy of an earlier one, or was. */
  copied = false
  /** What people have noted down or carry about of its reservations. */
  readonly papers: {
    request: string | null
    instanceId: string | null
    readonly files: string[]
    returnCode: string | null
  } = {
    request: null,
    instanceId: null,
    files: [],
    returnCode: null,
  }
  /** Whether it ever let go of what it had, or asked for, without its authority having agreed: people remove that there. */
  abandoned = false
  /** Deadlines the authority gave, by the messages it gave them in: the latest counts. */
  deadline = -Infinity
  readonly #around: Surroundings
  readonly #serial: string
  #kept: SimulatedDisk | null = null
  #told: { readonly position: Position; readonly event: string; readonly at: number } | null = null
  #evaluation: number | null = null
  #openings = 0
  #onFor = 0
  #onSince: number | null = null
  #beats = 0
  #upgraded = false
  #version = VERSION
  /** The highest version that the product was opened with. */
  #opened = VERSION
  #restless = 0

  constructor(number: number, around: Surroundings) {
    this.name = `box ${number + 1}`
    this.#serial = `BOX-${number + 1}`
    this.#around = around
    const { timeline, dice, answering } = around
    this.computer = new Computer(`box-${number + 1}`, timeline, dice)
    this.road = new Road({
      box: this.computer,
      timeline,
      dice,
      answering,
      after: () => this.after(),
      told: (what) => {
        around.log(this.name, what)
      },
    })
  }

  get serial(): string {
    return this.#serial
  }

  #violate(invariant: Invariant, message: string): void {
    this.#around.violated(new Violation(invariant, `${this.name}: ${message}`))
  }

  /** The program starts, on a computer that has power. */
  async start(): Promise<void> {
    const { life } = this.computer
    const lines = (message: string) => {
      this.#around.say(message)
    }
    const logger: AgentLogger = { info: lines, warn: lines, error: lines, debug: lines }
    const options: OpenOptions = {
      dataDir: this.computer.disk.directory,
      product: { pid: 'CONF-SERVER', version: this.#version, serial: this.#serial },
      trust: this.#around.trust(),
      clock: this.computer.clock,
      heartbeat: false,
      logger,
      createTransport: () => this.road.transport(),
    }
    try {
      const agent = await SmartAgent.open({
        ...options,
        ...(this.agent === null &&
          this.#openings === 0 && { transport: { kind: 'direct', url: 'https://authority.test' } }),
      })
      if (this.computer.life !== life) return
      this.agent = agent
      // The one time that an evaluation begins anew within an opening.
      if (isHigher(this.#version, this.#opened)) {
        this.#opened = this.#version
        this.#renewEvaluation()
      }
      this.#openings++
      this.#onSince = this.#around.timeline.now()
      this.#checkAfterOpening(agent)
      agent.on('transition', (transition) => {
        if (this.agent === agent && this.computer.life === life) this.#hear(transition)
      })
      this.#told = { position: agent.position, event: 'opening', at: 0 }
    } catch (thrown) {
      if (this.computer.life !== life) return
      const { code, message } = asLicensingError(thrown)
      this.#openings++
      if (code === 'STORE_FULL') this.computer.later(HOUR, () => this.agent === null && this.start())
      else this.#violate('state-loads', `the agent does not open: ${code}: ${message}`)
    }
  }

  #checkAfterOpening(agent: SmartAgent): void {
    const told = this.#told
    if (told && bound(told.position) && !bound(agent.position)) this.abandoned = true
    if (!told || this.copied || told.event === 'opening' || told.event === 'TICK') return
    const there = agent.history(50).some(({ event, at }) => event === told.event && at === told.at)
    if (!there) this.#violate('told-is-kept', `${told.event} was told, and is not in the history`)
  }

  #hear({ before, after, event, at, notices }: Transition): void {
    const told = this.#told?.position
    if (told && JSON.stringify(told.value) !== JSON.stringify(before.value))
      this.#violate('chart-followed', `from ${words(before)}, which it was not in: it was in ${words(told)}`)
    if (event.type.endsWith('.accepted') && this.road.foreign)
      this.#violate('own-answer', `${event.type} by the answer to an earlier request`)
    const [from, to] = [words(before), words(after)]
    if (from !== to || event.type !== 'TICK')
      this.#around.log(this.name, from === to ? `${event.type} (${to})` : `${event.type}: ${from} → ${to}`)
    for (const { message } of notices) this.#around.say(message)
    if (event.type === 'UPGRADE' && event.evaluate) this.#renewEvaluation()
    if (bound(before) && !bound(after) && event.type !== 'deregister.accepted') this.abandoned = true
    this.#told = { position: after, event: event.type, at }
  }

  /** The power goes, at once or at some write. */
  planCut(after: number, off: number): void {
    if (this.computer.power === 'off') return
    this.computer.planCut(after, () => {
      this.#fall(`loses power at write ${after}, for ${Math.round(off / SECOND)} s`)
      this.computer.later(off, () => this.#boot())
    })
  }

  #fall(how: string): void {
    this.#around.log(this.name, how)
    this.#charge()
    this.agent = null
  }

  #charge(): void {
    if (this.#onSince !== null) this.#onFor += this.#around.timeline.now() - this.#onSince
    this.#onSince = null
  }

  async #boot(): Promise<void> {
    if (this.computer.power !== 'off') return
    this.computer.boot()
    await this.start()
    this.after()
  }

  /** Is shut down in order, and starts again. */
  async restart(off: number, reboot: boolean): Promise<void> {
    if (this.computer.power !== 'on') return
    this.computer.life++
    const { agent, computer } = this
    const { life } = computer
    this.#charge()
    this.agent = null
    await this.#end(agent)
    // The power may go on the way.
    if (computer.life !== life) return
    if (reboot) {
      computer.power = 'off'
      computer.clock.off()
      computer.later(off, () => this.#boot())
      return
    }
    computer.clock.restart()
    await this.start()
  }

  /** The program ends in order, as far as it can; what it leaves open is closed by its end. */
  async #end(agent: SmartAgent | null): Promise<void> {
    const { disk } = this.computer
    await agent?.close().catch(() => undefined)
    disk.release()
  }

  sleep(time: number): void {
    if (this.computer.power !== 'on') return
    this.computer.sleep()
    this.computer.later(time, () => {
      if (this.computer.power !== 'asleep') return
      this.computer.wake()
      this.kick()
    })
  }

  /** The data directory as it is now is put aside. */
  keepCopy(): void {
    if (this.computer.power === 'off') return
    this.#kept?.remove()
    this.#kept = this.computer.disk.copy()
  }

  /** The data directory that was put aside takes the place of the present one. */
  async restoreCopy(): Promise<void> {
    if (this.computer.power !== 'on' || !this.#kept) return
    this.computer.life++
    const { agent } = this
    const { life } = this.computer
    this.#charge()
    this.agent = null
    await this.#end(agent)
    if (this.computer.life !== life) return
    this.computer.change(this.#kept.copy())
    this.copied = true
    this.#evaluation = null
    this.#used.clear()
    this.computer.clock.restart()
    await this.start()
  }

  /** Everything that stands in its way is out of it. */
  async mend(): Promise<void> {
    const { computer } = this
    this.road.mend()
    computer.mend()
    if (this.agent === null) {
      computer.life++
      await this.start()
    }
  }

  /** A person does something with it. What it may be refused is a part of life. */
  async act(what: (agent: SmartAgent) => unknown): Promise<void> {
    const { agent } = this
    const { life } = this.computer
    if (!agent || this.computer.power !== 'on') return
    try {
      await this.#around.timeline.work(Promise.resolve(what(agent)))
    } catch (thrown) {
      if (this.computer.life !== life) return
      const failure = asLicensingError(thrown)
      this.#around.say(failure.message)
      this.#around.log(this.name, `is told ${failure.code}`)
      this.#mind(thrown)
    }
  }

  /** The product says what it uses. */
  use(tag: string, count: number): void {
    const { agent } = this
    const { life } = this.computer
    if (!agent || this.computer.power !== 'on') return
    const before = this.#used.get(tag) ?? [agent.position.context.usage.counts[tag] ?? 0]
    try {
      // Where the power goes meanwhile, it may be on disk or not.
      this.#used.set(tag, [...before, count])
      agent.setUsage(tag, count)
      if (this.computer.life === life) this.#used.set(tag, [count])
    } catch (thrown) {
      if (this.computer.life !== life) return
      this.#used.set(tag, before)
      this.#around.log(this.name, `is told ${asLicensingError(thrown).code}`)
      this.#mind(thrown)
    }
  }

  /** A failure that must not be: one that nobody foresaw. */
  #mind(thrown: unknown): void {
    if (!(thrown instanceof LicensingError) || thrown.code === 'INTERNAL')
      this.#violate('errors-closed', whole(thrown))
  }

  /** Lets the time that passed count, and starts on what it made due. */
  kick(): void {
    const { agent } = this
    const { life } = this.computer
    if (!agent || this.computer.power !== 'on') return
    const trouble = (thrown: unknown) => {
      if (this.computer.life !== life || this.agent !== agent) return
      this.#mind(thrown)
    }
    try {
      agent.tick()
      this.#checkDeadline(agent)
    } catch (thrown) {
      trouble(thrown)
    }
    // Taken with what may have died meanwhile: it is looked at when it has come to its end.
    if (this.agent === agent) agent.idle().catch(trouble)
    this.#around.timeline.after(0, () => this.after())
  }

  /** After anything has happened to it: is all as it must be, and when is something due? */
  after(): void {
    const { agent } = this
    if (!agent || this.computer.power !== 'on') return
    this.#check(agent)
    const beat = ++this.#beats
    const { life } = this.computer
    const due = nextDueAt(agent.position)
    const until = due === null ? Infinity : due - agent.now
    // What is due and does not get done, on a full disk say, is tried with the next beat.
    this.#restless = until <= 0 ? this.#restless + 1 : 0
    const { slowestBeat } = this.#around
    const wait = this.#restless > 3 ? MINUTE : Math.min(slowestBeat, Math.max(until, SECOND / 20))
    this.#around.timeline.after(wait, () => {
      if (this.#beats === beat && this.computer.life === life) this.kick()
    })
  }

  #check(agent: SmartAgent): void {
    const { position } = agent
    const { context } = position
    const word = stateWord(position.value)
    if (
      this.#told &&
      this.#told.position.value !== position.value &&
      JSON.stringify(this.#told.position.value) !== JSON.stringify(position.value)
    )
      this.#violate('chart-followed', `it is in ${words(position)}, and no transition led there`)
    this.#checkEvaluation(context.evaluation.remainingSeconds, context.periods.evaluationSeconds)
    for (const [tag, counts] of this.#used) {
      const known = context.usage.counts[tag] ?? 0
      if (!counts.includes(known))
        this.#violate(
          'usage-remembered',
          `${counts.join(' or ')} of ${tag} are in use, and it knows of ${known}`,
        )
      else if (counts.length > 1) this.#used.set(tag, [known])
    }
    const { deadlineAt } = context.authorization
    if (
      (word === 'authorized' || word === 'out-of-compliance') &&
      deadlineAt !== null &&
      deadlineAt > this.deadline
    )
      this.#violate('deadline-kept', 'it believes in a deadline that nobody gave it')
    if (agent.status().state !== word)
      this.#violate('chart-followed', `its status says ${agent.status().state}, its chart ${word}`)
  }

  /** Right after a beat. */
  #checkDeadline(agent: SmartAgent): void {
    const word = stateWord(agent.position.value)
    const { deadlineAt } = agent.position.context.authorization
    if (
      (word === 'authorized' || word === 'out-of-compliance') &&
      deadlineAt !== null &&
      agent.now >= deadlineAt
    )
      this.#violate('deadline-kept', `it is ${word} at its deadline or after it`)
  }

  #checkEvaluation(left: number, all: number): void {
    if (this.#evaluation !== null && left > this.#evaluation && !this.copied)
      this.#violate('evaluation-spent-once', `${left - this.#evaluation} s of evaluation were given back`)
    this.#evaluation = left
    const on = this.#onFor + (this.#onSince === null ? 0 : this.#around.timeline.now() - this.#onSince)
    // A clock that is fast by a hundredth uses a hundredth more.
    const most = (on / SECOND) * 1.01 + this.#openings * OPENING_SECONDS + OPENING_SECONDS
    if (all - left > most && !this.copied && !this.#upgraded)
      this.#violate(
        'evaluation-charged-fairly',
        `${all - left} s are used up, and it was on for ${Math.round(most)} s at most`,
      )
  }

  #renewEvaluation(): void {
    this.#evaluation = null
    this.#upgraded = true
  }

  /** The product is upgraded, and starts again; a lower version is what somebody types. */
  async upgrade(version: string): Promise<void> {
    if (isHigher(version, this.#version)) {
      this.#version = version
      await this.restart(0, false)
      return
    }
    await this.act((agent) => {
      const { life } = this.computer
      // It waits for its authority, as people do: nobody waits for it here.
      agent.upgrade(version).catch((thrown: unknown) => {
        if (this.computer.life === life && this.agent === agent) this.#mind(thrown)
      })
    })
  }

  /** What it says about itself to whoever may ask, the codes that people carry among it. */
  documents(): string[] {
    const { agent } = this
    return agent ? [JSON.stringify(agent.status()), JSON.stringify(agent.explain())] : []
  }

  /** What it keeps of what happened. */
  records(): string[] {
    return (this.agent?.history(10_000) ?? []).map(({ detail, notices }) => `${detail} ${notices}`)
  }

  async close(): Promise<void> {
    const { agent } = this
    this.computer.life++
    this.agent = null
    await agent?.close().catch(() => undefined)
    this.#kept?.remove()
    this.computer.remove()
  }
}

/** Whether there is a registration, or an attempt at one, that its authority may know of. */
const bound = ({ context }: Position): boolean =>
  context.registration !== null || context.registering !== null

/** Where a chart stands, in a word for each axis. */
export const words = ({ value }: Position): string =>
  `${stateWord(value)} (${axisPath(value.registration)}, ${axisPath(value.license)}, ${JSON.stringify(value.link).replaceAll('"', '')})`
