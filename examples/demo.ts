#!/usr/bin/env node
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { styleText } from 'node:util'
import Table from 'cli-table3'
import { conferencing } from '../src/conferencing/index.ts'
import { type NoticeRecord, SmartAgent, type Status } from '../src/index.ts'
import { Authority } from '../src/authority/index.ts'
import { DAY, duration, HOUR } from '../src/core/time.ts'
import { VirtualClock } from '../mocks/virtual-clock.ts'

/**
 * A licensed box through a year, in seconds: the time is virtual; the authority, the agent, both databases,
 * the certificates, the signatures and TLS are the real ones.
 */

/** The days are counted from the installation. */
const START = Math.floor(Date.now() / DAY) * DAY
const clock = new VirtualClock(START)
const directory = mkdtempSync(join(tmpdir(), 'smart-licensing-demo-'))
const authorityDir = join(directory, 'authority')

const colours: Record<Status['state'], Parameters<typeof styleText>[0]> = {
  evaluation: 'cyan',
  unregistered: 'red',
  registered: 'blue',
  authorized: 'green',
  'out-of-compliance': 'yellow',
  'auth-expired': 'magenta',
  reserved: 'blue',
}
const colour = (format: Parameters<typeof styleText>[0], text: string): string =>
  process.stdout.isTTY && !process.env.NO_COLOR ? styleText(format, text) : text
const paint = (state: Status['state'], text: string = state) => colour(colours[state], text)

const day = (at = clock.wall()): number => Math.floor((at - START) / DAY)
const dayColumn = (at?: number): string => `day ${String(day(at)).padStart(3)}`
const say = (text: string) => {
  process.stdout.write(`${text}\n`)
}
/** A turn of the story, and how the box stands after it. */
const tell = (what: string, agent?: SmartAgent) => {
  const state = agent?.status().state
  say(`${dayColumn()}  ${state ? paint(state, state.padEnd(17)) : ' '.repeat(17)}  ${what}`)
}

interface Happening {
  readonly at: number
  readonly state: Status['state']
  readonly record: NoticeRecord
}
const happenings: Happening[] = []

let authority: Authority
let port = 0
async function startAuthority(): Promise<string> {
  authority = await Authority.open({ dataDir: authorityDir, clock })
  const url = await authority.listen({ host: '127.0.0.1', port })
  port = Number(new URL(url).port)
  return url
}

/** Lets days pass, beat by beat; the box tells by itself what happens to it. */
async function live(agent: SmartAgent, days: number, step = DAY): Promise<void> {
  const end = clock.wall() + days * DAY
  while (clock.wall() < end) {
    clock.advance(Math.min(step, end - clock.wall()))
    agent.tick()
    await agent.idle()
  }
}

/** The notices worth a line of the story while time passes; all of them are in the table at the end. */
const LOUD: readonly string[] = [
  'OUT_OF_COMPLIANCE',
  'COMM_FAILED',
  'COMM_RESTORED',
  'AUTHORIZATION_EXPIRED',
  'ID_CERT_RENEW_SUCCESS',
  'AUTH_RENEW_SUCCESS',
  'EVAL_EXPIRED_WARNING',
  'EVAL_EXPIRED',
]

function listen(agent: SmartAgent): void {
  agent.on('transition', ({ at, notices }) => {
    for (const record of notices) {
      happenings.push({ at, state: agent.status().state, record })
      if (LOUD.includes(record.notice))
        say(`${dayColumn(at)}  ${' '.repeat(17)}  ${colour('dim', `· ${record.message}`)}`)
    }
  })
}

function summary(): string {
  const table = new Table({
    head: ['when', 'state', 'event', 'times'],
    style: { head: [], border: [], compact: true },
  })
  const rows: { from: number; to: number; state: Status['state']; notice: string; times: number }[] = []
  for (const { at, state, record } of happenings) {
    const last = rows.findLast((row) => row.notice === record.notice)
    // What repeats itself in one state is one row: the polls of a shortage, the attempts of an outage.
    const between = rows.slice(
      rows.indexOf(last ?? rows[0] ?? { from: 0, to: 0, state, notice: '', times: 0 }),
    )
    if (last?.state === state && between.every((row) => row.state === state)) {
      last.to = at
      last.times++
    } else rows.push({ from: at, to: at, state, notice: record.notice, times: 1 })
  }
  for (const { from, to, state, notice, times } of rows) {
    const when = day(from) === day(to) ? dayColumn(from) : `${dayColumn(from)} – ${day(to)}`
    table.push([when, paint(state), notice, { content: times === 1 ? '' : String(times), hAlign: 'right' }])
  }
  return table.toString()
}

async function main(): Promise<void> {
  say(colour('bold', 'A licensed box through a year'))
  say('Time is virtual. The authority, the agent, TLS, certificates, signatures and databases are real.\n')

  await Authority.init({ dataDir: authorityDir, account: 'acme.example', acceptAgreement: true, clock })
  const url = await startAuthority()
  tell(`The licensing authority of acme.example answers at ${url}.`)

  const agent = await SmartAgent.open({
    dataDir: join(directory, 'agent'),
    product: { pid: 'CWMS-K9', version: '4.0', serial: 'FCH2110V0CE' },
    module: conferencing({ size: 'large' }),
    trust: authority.trustAnchor(),
    transport: { kind: 'direct', url },
    clock,
    heartbeat: false,
  })
  listen(agent)
  tell(
    `The box is installed. Everything works for ${duration(agent.status().evaluation.remainingSeconds * 1000)}.`,
    agent,
  )

  await live(agent, 5)
  agent.setUsage('HOST', 12)
  tell('12 hosts are in use, for evaluation.', agent)

  await live(agent, 15)
  await authority.orders.create({ tag: 'HOST', quantity: 20 })
  const { token } = await authority.tokens.create({
    days: 30,
    description: 'the demo',
    exportControlled: true,
  })
  tell('20 host licences are bought, and a registration token is made.', agent)
  await agent.register(token)
  const { registration, authorization, evaluation } = agent.status()
  tell(
    `Registered with ${registration.smartAccount ?? ''} / ${registration.virtualAccount ?? ''}; 12 of 20 licences in use.`,
    agent,
  )
  tell(
    `Next contact on day ${day(Date.parse(authorization.nextAttemptAt ?? ''))}, renewal on day ${day(Date.parse(registration.nextRenewalAt ?? ''))}; the evaluation stands still at ${duration(evaluation.remainingSeconds * 1000)}.`,
    agent,
  )

  await live(agent, 40)
  agent.setUsage('HOST', 26)
  await live(agent, 1, HOUR)
  tell('26 hosts are in use, 20 are owned: nothing is refused, but it is said.', agent)
  await live(agent, 2, HOUR)
  await authority.orders.create({ tag: 'HOST', quantity: 10 })
  tell('10 more are bought; the next poll is at most 12 hours away.', agent)
  await live(agent, 1, HOUR)
  tell('Mended by itself.', agent)

  await live(agent, 36)
  await authority.close()
  tell('The authority goes out of reach, for months.', agent)
  await live(agent, 95)
  tell('Everything still works; licences are not checked any more.', agent)
  await startAuthority()
  await live(agent, 1, HOUR)
  tell('The authority is back: one contact mends it, without registering again.', agent)

  await live(agent, 20)
  tell(
    `Six months have passed: the registration has renewed itself, until day ${day(Date.parse(agent.status().registration.expiresAt ?? ''))}.`,
    agent,
  )
  await live(agent, 365 + 20 - day())
  tell('A year has passed since the registration. The box is moved elsewhere.', agent)
  await agent.deregister()
  tell(
    `Deregistered: every licence is back in the pool (${String((await authority.licenses.list())[0]?.inUse ?? 0)} in use), and ${duration(agent.status().evaluation.remainingSeconds * 1000)} of the evaluation are left.`,
    agent,
  )
  await live(agent, 71)
  tell(`Left alone until they are used up: ${agent.status().functionalityReason ?? ''}`, agent)
  await agent.close()
  await authority.close()

  say(`\n${colour('bold', 'What happened when')}`)
  say(summary())
}

try {
  await main()
} finally {
  rmSync(directory, { recursive: true, force: true })
}
