import { DAY, HOUR } from '../../src/core/time.ts'
import type { Answer, Sealed } from '../../src/protocol/messages.ts'
import { peek } from '../../src/pki/signed-message.ts'
import { stateWord } from '../../machines/index.ts'
import { Dice } from './seeded-random.ts'
import { type Invariant, Violation, whole } from './invariants.ts'
import { makeStranger } from './network.ts'
import { type BoxDeed, type Deed, type PaperDeed, type Plan, TAGS } from './plan.ts'
import { throwIdsWith } from './seeded-ids.ts'
import { authorityTemplate, PLACES, SimulatedAuthority, START } from './simulated-authority.ts'
import { SimulatedBox } from './simulated-device.ts'
import { Timeline } from './timeline.ts'
import { authorityOf, deedInWords } from './describe-action.ts'

/** What came of a history. */
export interface History {
  readonly plan: Plan
  /** Everything that happened, in words, each line with its day and who it happened to. */
  readonly lines: readonly string[]
  /** What was not as it must be; null where all was. */
  readonly violation: { readonly invariant: Invariant; readonly message: string; readonly at: number } | null
}

/** Events of a history: more than the busiest has, so that one which does not come to its end is seen. */
const MOST_LINES = 400_000
/** After everything is mended: within this much a box that waits between attempts has made one (`retryWaits`, `Retry-After`). */
const BOUND = DAY + 5 * HOUR
/** How often a satellite looks whether it should synchronise. */
const SATELLITE_BEAT = 6 * HOUR

/**
 * Lets a plan happen: real agents, a real authority, on virtual time, with a network, disks and clocks that fail as planned.
 * At its end everything is mended, and all must be well again; then every box gives back what it has. The same plan, the same
 * history.
 */
export async function happen(plan: Plan): Promise<History> {
  await Promise.all([makeStranger(), loadAll()])
  const template = await authorityTemplate()
  const dice = new Dice(`${plan.seed} chance`)
  throwIdsWith(new Dice(`${plan.seed} ids`))
  const simulation = new Simulation(plan, dice)
  const refuse = (thrown: unknown) => {
    // A program that was cut off in the middle of something tells nobody any more.
    if (!isOfTheDead(thrown))
      simulation.violated(new Violation('errors-closed', `nobody caught: ${whole(thrown)}`))
  }
  process.on('unhandledRejection', refuse)
  try {
    return await simulation.run(template.directory)
  } finally {
    await simulation.close()
    process.off('unhandledRejection', refuse)
    throwIdsWith(null)
  }
}

/** Loads what programs load when they first need it: reading files takes time that no history has. */
const loadAll = (): Promise<unknown> =>
  Promise.all([
    import('../../src/agent/protocol-client.ts'),
    import('../../src/agent/request-results.ts'),
    import('../../src/agent/reservation.ts'),
    import('../../src/pki/certificate-generation.ts'),
    import('../../src/pki/root-rotation.ts'),
  ])

const isOfTheDead = (thrown: unknown): boolean =>
  thrown instanceof Error &&
  (thrown.name === 'PowerCut' || thrown.message.includes('database connection is not open'))

class Simulation {
  readonly #plan: Plan
  /** How often boxes beat, and the books are looked at, while nothing happens. */
  readonly #beat: number
  readonly #timeline = new Timeline(START)
  readonly #authority: SimulatedAuthority
  readonly #satellites: SimulatedAuthority[]
  readonly #boxes: SimulatedBox[]
  readonly #lines: string[] = []
  readonly #said: string[] = []
  readonly #codes = new Set<string>()
  #violation: History['violation'] = null

  constructor(plan: Plan, dice: Dice) {
    this.#plan = plan
    // Where nothing goes wrong, nothing happens between what is due.
    this.#beat = plan.faults === 'none' ? 30 * DAY : DAY
    const common = {
      slowestBeat: this.#beat,
      timeline: this.#timeline,
      dice,
      log: (who: string, what: string) => {
        this.#log(who, what)
      },
      say: (text: string) => {
        this.#said.push(text)
      },
      violated: (violation: Violation) => {
        this.violated(violation)
      },
    }
    this.#authority = new SimulatedAuthority({ ...common, name: authorityOf(0) })
    const manager = this.#authority
    this.#satellites = Array.from(
      { length: plan.satellites ?? 0 },
      (_, number) =>
        new SimulatedAuthority({
          ...common,
          name: authorityOf(number + 1),
          manager: (path, body) => manager.answer(path, body),
        }),
    )
    this.#boxes = Array.from({ length: plan.boxes }, (_, number) => {
      const box: SimulatedBox = new SimulatedBox(number, {
        ...common,
        trust: () => this.#authority.trust,
        answering: async (path, body) => {
          const reply = await this.#homeOf(number).answer(path, body)
          if (typeof reply !== 'string') this.#note(box, reply.body)
          return reply
        },
      })
      return box
    })
  }

  get #authorities(): SimulatedAuthority[] {
    return [this.#authority, ...this.#satellites]
  }

  /** Where a box is licensed: boxes are divided among the manager and its satellites. */
  #homeOf(box: number): SimulatedAuthority {
    return this.#authorities[box % this.#authorities.length] ?? this.#authority
  }

  #log(who: string, what: string): void {
    const passed = this.#timeline.now() - START
    const clock = new Date(passed).toISOString().slice(11, 23)
    this.#lines.push(`day ${String(Math.floor(passed / DAY)).padStart(4)} ${clock}  ${who}: ${what}`)
    if (this.#lines.length > MOST_LINES)
      this.violated(new Violation('steps-end', `${MOST_LINES} things have happened`))
  }

  violated({ invariant, message }: Violation): void {
    if (this.#violation) return
    this.#log('INVARIANT', `${invariant}: ${message}`)
    this.#violation = { invariant, message, at: this.#timeline.now() - START }
  }

  /** What the authority said to a box. */
  #note(box: SimulatedBox, body: string): void {
    const { decision } = peek(JSON.parse(body) as Sealed) as Answer
    if (decision.outcome === 'accepted') {
      if ('deadlineAt' in decision) box.deadline = Math.max(box.deadline, Date.parse(decision.deadlineAt))
    } else if (decision.code === 'INSTANCE_DIVERGED' && !box.copied)
      this.violated(new Violation('not-diverged', `${box.name} was never copied, and is told that it was`))
  }

  readonly #over = () => this.#violation !== null

  async run(template: string): Promise<History> {
    this.#authority.computer.disk.copyFrom(template)
    await this.#authority.start()
    // Enough for most of what boxes use, and not always for all of it.
    await this.#authority.act(async (authority) => {
      for (const virtualAccount of PLACES)
        for (const tag of TAGS)
          await authority.orders.create({ tag, quantity: 4 * this.#plan.boxes, virtualAccount })
    })
    for (const place of [PLACES[0], PLACES[0], PLACES[1]]) await this.#authority.newToken(place)
    for (const [number, satellite] of this.#satellites.entries())
      await this.#begin(satellite, `SAT-${number + 1}`)
    for (const box of this.#boxes) {
      await box.start()
      box.kick()
    }
    for (const { at, deed } of this.#plan.steps)
      this.#timeline.at(START + at, async () => {
        this.#log('—', deedInWords(deed))
        await this.#do(deed)
      })
    const look = async () => {
      for (const one of this.#authorities) await one.check()
      this.#timeline.after(this.#beat, look)
    }
    this.#timeline.after(this.#beat, look)
    await this.#timeline.passUntil(START + this.#plan.days * DAY, this.#over)
    await this.#mendAll()
    return { plan: this.#plan, lines: this.#lines, violation: this.#violation }
  }

  /** A satellite is added, has licences, synchronises for the first time, and makes a token of its own. */
  async #begin(satellite: SimulatedAuthority, name: string): Promise<void> {
    await satellite.becomeSatellite(name, this.#authority)
    await this.#authority.act(async (manager) => {
      for (const tag of TAGS)
        await manager.orders.create({ tag, quantity: 4 * this.#plan.boxes, virtualAccount: name })
    })
    const beat = () => {
      satellite.beat()
      this.#timeline.after(SATELLITE_BEAT, beat)
    }
    satellite.synchronise()
    this.#timeline.after(SATELLITE_BEAT, beat)
    await this.#timeline.passUntil(this.#timeline.now() + HOUR, this.#over)
    await satellite.newToken(PLACES[0])
  }

  /** Nothing stands in anybody's way any more: all must be well again within its bound, and nothing may be lost. */
  async #mendAll(): Promise<void> {
    if (this.#over()) return
    this.#log('—', 'everything is mended')
    for (const one of this.#authorities) await one.mend()
    for (const box of this.#boxes) {
      await box.mend()
      box.kick()
    }
    const bound = this.#satellites.length > 0 ? 2 * BOUND : BOUND
    await this.#timeline.passUntil(this.#timeline.now() + bound, this.#over)
    if (this.#over()) return
    for (const box of this.#boxes) this.#requireRight(box)
    for (const one of this.#authorities) await one.check()
    await this.#lookForSecrets()
    if (!this.#over()) await this.#giveAllBack()
  }

  #requireRight(box: SimulatedBox): void {
    const position = box.agent?.position
    if (!position) {
      this.violated(new Violation('right-again', `${box.name} does not run`))
      return
    }
    const { registering, registration } = position.context
    const word = stateWord(position.value)
    if (registering !== null) this.violated(new Violation('right-again', `${box.name} is still registering`))
    // A copy is told that it is one, and waits for a person to register it anew.
    else if (registration !== null && !box.copied && word !== 'authorized' && word !== 'out-of-compliance')
      this.violated(new Violation('right-again', `${box.name} is registered, and ${word}`))
  }

  async #lookForSecrets(): Promise<void> {
    const tokens = this.#authorities.flatMap((one) => one.tokens)
    const secrets = ['PRIVATE KEY', ...tokens.map(({ token }) => token.slice(-43))]
    const records = [
      ...this.#said,
      ...this.#lines,
      ...this.#boxes.flatMap((box) => box.records()),
      ...(await Promise.all(this.#authorities.map((one) => one.outputs()))).flat(),
    ].join('\n')
    const documents = this.#boxes.flatMap((box) => box.documents()).join('\n')
    const isSaid = (what: string, secret: string, where: string) => {
      if (!where.includes(secret)) return
      const around = where.slice(Math.max(0, where.indexOf(secret) - 80), where.indexOf(secret))
      this.violated(new Violation('secrets-kept', `${what} stands after ${JSON.stringify(around)}`))
    }
    for (const secret of secrets) isSaid('a token or key', secret, `${records}\n${documents}`)
    // The status of a box has the codes that people carry: nothing else has.
    for (const code of this.#codes) isSaid('a code', code, records)
  }

  /** Every box gives back what it has; what belongs to nobody any more is removed by people. */
  async #giveAllBack(): Promise<void> {
    this.#log('—', 'everything is given back')
    for (const box of this.#boxes) {
      await box.act((agent) => agent.deregister({ wait: false }))
      box.kick()
    }
    await this.#timeline.passUntil(this.#timeline.now() + HOUR, this.#over)
    if (this.#over()) return
    for (const box of this.#boxes) {
      const position = box.agent?.position
      const { registration = null, registering = null } = position?.context ?? {}
      if (registration !== null || registering !== null)
        this.violated(new Violation('right-again', `${box.name} has not let go of its registration`))
    }
    for (const one of this.#authorities) await this.#requireNothingLeft(one)
  }

  async #requireNothingLeft(one: SimulatedAuthority): Promise<void> {
    await one.act(async (authority) => {
      for (const instance of await authority.instances.list()) {
        if (instance.satellite !== null) continue
        if (instance.reservation !== null)
          await authority.reservations.writeOff(instance.id, { reason: 'the end', by: 'somebody' })
        else if (
          this.#boxes.some(
            ({ serial, copied, abandoned }) => serial === instance.udi.serial && (copied || abandoned),
          )
        )
          await authority.instances.remove(instance.id)
        else
          this.violated(
            new Violation(
              'nothing-lost',
              `${instance.udi.serial} has given everything back, and is an instance still`,
            ),
          )
      }
      for (const { tag, inUse, reserved, virtualAccount } of await authority.licenses.list())
        if (!one.isGiven(virtualAccount) && inUse + reserved !== 0)
          this.violated(
            new Violation(
              'nothing-lost',
              `${inUse + reserved} of ${tag} of ${virtualAccount} are nobody's, and not free`,
            ),
          )
    })
    await one.check()
  }

  async #do(deed: Deed): Promise<void> {
    if (!('box' in deed)) {
      await this.#doElsewhere(deed)
      return
    }
    const box = this.#boxes[deed.box]
    if (box) await this.#doAt(box, this.#homeOf(deed.box), deed)
  }

  async #doAt(box: SimulatedBox, home: SimulatedAuthority, deed: BoxDeed): Promise<void> {
    const now = this.#timeline.now()
    switch (deed.kind) {
      case 'register': {
        const { tokens } = home
        const token = tokens[deed.token % Math.max(1, tokens.length)]
        if (token) await box.act((agent) => agent.register(token.token, { force: deed.force, wait: false }))
        break
      }
      case 'deregister':
        await box.act((agent) => agent.deregister({ wait: false }))
        break
      case 'renew-registration':
        await box.act((agent) => agent.renewRegistration({ wait: false }))
        break
      case 'renew-authorization':
        await box.act((agent) => agent.renewAuthorization({ wait: false }))
        break
      case 'use':
        box.use(deed.tag, deed.count)
        break
      case 'change-road':
        await box.act((agent) => {
          const url = 'https://authority.test'
          agent.transport.set(
            deed.road === 'proxy'
              ? { kind: 'proxy', url, via: 'http://proxy.test:3128' }
              : { kind: deed.road, url },
          )
        })
        break
      case 'remove-instance':
      case 'transfer-instance':
        await home.act(async (authority) => {
          const found = (await authority.instances.list()).find(({ udi }) => udi.serial === box.serial)
          if (!found) return
          if (deed.kind === 'remove-instance') await authority.instances.remove(found.id)
          else
            await authority.instances.transfer(found.id, {
              to: found.virtualAccount === PLACES[0] ? PLACES[1] : PLACES[0],
              confirmed: true,
            })
        })
        break
      case 'power-cut':
        box.planCut(deed.after, deed.off)
        break
      case 'restart':
        await box.restart(deed.off, deed.reboot)
        break
      case 'suspend':
        box.sleep(deed.for)
        break
      case 'set-clock':
        box.computer.clock.shift(deed.by)
        break
      case 'drift':
        box.computer.clock.rate = deed.rate
        break
      case 'full-disk':
        box.computer.fillDisk(deed.for)
        break
      case 'keep-copy':
        box.keepCopy()
        break
      case 'restore-copy':
        await box.restoreCopy()
        break
      case 'cut-off':
        box.road.cut(now + deed.for)
        break
      case 'weather':
        box.road.storm(deed, now + deed.for)
        break
      case 'fault':
        box.road.plan(deed.fault, deed.times)
        break
      default:
        await this.#doOnPaper(box, home, deed)
    }
    box.kick()
  }

  /** What people carry between a box and its authority. */
  async #doOnPaper(box: SimulatedBox, home: SimulatedAuthority, deed: PaperDeed): Promise<void> {
    const { papers } = box
    switch (deed.kind) {
      case 'upgrade':
        await box.upgrade(deed.version)
        return
      case 'reservation-request':
        await box.act(async (agent) => {
          papers.request = await agent.reservation.request()
        })
        return
      case 'reservation-cancel':
        await box.act((agent) => agent.reservation.cancel())
        return
      case 'reserve': {
        const { request } = papers
        if (request === null) return
        const free = await this.#free(home)
        const issued = await home.act((authority) =>
          authority.reservations.reserve({
            request,
            licenses: { HOST: deed.count },
            virtualAccount: PLACES[0],
          }),
        )
        if (!issued) return
        if (free !== null && deed.count > free)
          this.violated(
            new Violation('reserved-is-owned', `${deed.count} of HOST were reserved, and ${free} were free`),
          )
        papers.instanceId = issued.instanceId
        papers.files.push(issued.file)
        return
      }
      case 'reservation-update': {
        const { instanceId } = papers
        if (instanceId === null) return
        const issued = await home.act((authority) =>
          authority.reservations.update(instanceId, { HOST: deed.count }),
        )
        if (issued) papers.files.push(issued.file)
        return
      }
      case 'reservation-install':
      case 'reservation-discard': {
        const file = papers.files.at(-1)
        if (file === undefined) return
        await box.act(async (agent) => {
          if (deed.kind === 'reservation-discard')
            papers.returnCode = (await agent.reservation.discard(file)).returnCode
          else if (agent.status().reservation.status === 'installed') await agent.reservation.update(file)
          else await agent.reservation.install(file)
        })
        await this.#confirm(box, home)
        return
      }
      case 'reservation-return':
        await box.act(async (agent) => {
          papers.returnCode = await agent.reservation.returnCode()
          await agent.reservation.return()
        })
        if (papers.returnCode !== null) this.#codes.add(papers.returnCode)
        return
      case 'reservation-take-back': {
        const { instanceId, returnCode } = papers
        if (instanceId === null || returnCode === null) return
        await home.act((authority) => authority.reservations.acceptReturnCode(instanceId, returnCode))
        return
      }
    }
  }

  /** Carries the confirmation code of an update back to the authority. */
  async #confirm(box: SimulatedBox, home: SimulatedAuthority): Promise<void> {
    const { instanceId } = box.papers
    const code = box.agent?.status().reservation.confirmationCode ?? null
    if (instanceId === null || code === null) return
    this.#codes.add(code)
    await home.act((authority) => authority.reservations.confirm(instanceId, code))
  }

  /** Licences of the default virtual account that may be reserved; null while nobody can say. */
  async #free(home: SimulatedAuthority): Promise<number | null> {
    const licenses = await home.act((authority) => authority.licenses.list())
    return (
      licenses?.find(({ tag, virtualAccount }) => tag === 'HOST' && virtualAccount === PLACES[0])
        ?.available ?? null
    )
  }

  async #doElsewhere(deed: Exclude<Deed, BoxDeed>): Promise<void> {
    const authority = this.#authority
    switch (deed.kind) {
      case 'authority-power-cut':
        this.#authorityOf(deed.authority).planCut(deed.after, deed.off)
        return
      case 'authority-away':
        this.#authorityOf(deed.authority).goAway(this.#timeline.now() + deed.for)
        return
      case 'authority-full-disk':
        this.#authorityOf(deed.authority).computer.fillDisk(deed.for)
        return
      case 'authority-set-clock':
        this.#authorityOf(deed.authority).computer.clock.shift(deed.by)
        return
      case 'satellite-cut-off':
        this.#authorityOf(deed.satellite).road?.cut(this.#timeline.now() + deed.for)
        return
      case 'satellite-weather':
        this.#authorityOf(deed.satellite).road?.storm(deed, this.#timeline.now() + deed.for)
        return
      case 'synchronise':
        this.#authorityOf(deed.satellite).synchronise()
        return
      case 'give-licenses':
        await this.#move(deed, `SAT-${deed.satellite}`)
        return
      case 'order':
        await authority.act((open) =>
          open.orders.create({
            tag: deed.tag,
            quantity: deed.quantity,
            virtualAccount: PLACES[0],
            ...(deed.days !== null && { days: deed.days }),
          }),
        )
        return
      case 'new-token':
        for (const one of this.#authorities) await one.newToken(PLACES[0])
        return
      case 'revoke-token': {
        const token = authority.tokens[0]
        if (!token) return
        const revoked = await authority.act((open) => open.tokens.revoke(token.id))
        if (revoked && authority.tokens.length > 1) authority.tokens.shift()
        return
      }
      case 'transfer-licenses':
        await this.#move(deed, PLACES[1])
        return
      case 'rotate':
        await authority.act(async (open) => {
          if (deed.what === 'signer') await open.security.trust.rotate(['answer-signer'])
          else await open.security.trust.rotateIssuingCa()
        })
        return
    }
  }

  /** Licences of the default virtual account are moved to another. */
  async #move({ tag, quantity }: { tag: string; quantity: number }, to: string): Promise<void> {
    await this.#authority.act((open) =>
      open.licenses.transfer({ tag, quantity, from: PLACES[0], to, confirmed: true }),
    )
  }

  #authorityOf(number: number): SimulatedAuthority {
    return this.#authorities[number] ?? this.#authority
  }

  async close(): Promise<void> {
    for (const box of this.#boxes) await box.close()
    for (const one of this.#authorities) await one.close()
  }
}
