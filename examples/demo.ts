#!/usr/bin/env node
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { styleText } from 'node:util'
import Table from 'cli-table3'
import { conferencing } from '../src/conferencing/index.ts'
import { type AgentEvent, SmartAgent, type Status } from '../src/index.ts'
import { Authority } from '../src/authority/index.ts'
import { DAY, formatDuration, HOUR } from '../src/core/time.ts'
import { VirtualClock } from '../mocks/virtual-clock.ts'

/**
 * A licensed box through a year, in seconds: the time is virtual; the authority, the agent, both databases,
 * the certificates, the signatures and TLS are the real ones.
 */

/** The days are counted from the installation. */
const START_TIME = Math.floor(Date.now() / DAY) * DAY
const clock = new VirtualClock(START_TIME)
const directory = mkdtempSync(join(tmpdir(), 'smart-licensing-demo-'))
const authorityDir = join(directory, 'authority')

const STATE_COLORS: Record<Status['state'], Parameters<typeof styleText>[0]> = {
  evaluation: 'cyan',
  unregistered: 'red',
  registered: 'blue',
  authorized: 'green',
  'out-of-compliance': 'yellow',
  'auth-expired': 'magenta',
  reserved: 'blue',
}
const colorize = (format: Parameters<typeof styleText>[0], text: string): string =>
  process.stdout.isTTY && !process.env.NO_COLOR ? styleText(format, text) : text
const paint = (state: Status['state'], text: string = state) => colorize(STATE_COLORS[state], text)

const toDay = (at = clock.wall()): number => Math.floor((at - START_TIME) / DAY)
const formatDay = (at?: number): string => `day ${String(toDay(at)).padStart(3)}`
const print = (text: string) => {
  process.stdout.write(`${text}\n`)
}
/** A turn of the story, and how the box stands after it. */
const narrate = (what: string, agent?: SmartAgent) => {
  const state = agent?.status().state
  print(`${formatDay()}  ${state ? paint(state, state.padEnd(17)) : ' '.repeat(17)}  ${what}`)
}

interface LoggedNotice {
  readonly at: number
  readonly state: Status['state']
  readonly record: AgentEvent
}
const loggedNotices: LoggedNotice[] = []

let authority: Authority
let port = 0
async function startAuthority(): Promise<string> {
  authority = await Authority.open({ dataDir: authorityDir, clock })
  const url = await authority.listen({ host: '127.0.0.1', port })
  port = Number(new URL(url).port)
  return url
}

/** Lets days pass, beat by beat; the box tells by itself what happens to it. */
async function simulateDays(agent: SmartAgent, days: number, step = DAY): Promise<void> {
  const end = clock.wall() + days * DAY
  while (clock.wall() < end) {
    clock.advance(Math.min(step, end - clock.wall()))
    agent.tick()
    await agent.idle()
  }
}

/** The notices worth a line of the story while time passes; all of them are in the table at the end. */
const NARRATED_NOTICES: readonly string[] = [
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
      loggedNotices.push({ at, state: agent.status().state, record })
      if (NARRATED_NOTICES.includes(record.notice))
        print(`${formatDay(at)}  ${' '.repeat(17)}  ${colorize('dim', `· ${record.message}`)}`)
    }
  })
}

function formatSummary(): string {
  const table = new Table({
    head: ['when', 'state', 'event', 'times'],
    style: { head: [], border: [], compact: true },
  })
  const rows: { from: number; to: number; state: Status['state']; notice: string; times: number }[] = []
  for (const { at, state, record } of loggedNotices) {
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
    const when = toDay(from) === toDay(to) ? formatDay(from) : `${formatDay(from)} – ${toDay(to)}`
    table.push([when, paint(state), notice, { content: times === 1 ? '' : String(times), hAlign: 'right' }])
  }
  return table.toString()
}

async function main(): Promise<void> {
  print(colorize('bold', 'A licensed box through a year'))
  print('Time is virtual. The authority, the agent, TLS, certificates, signatures and databases are real.\n')

  await Authority.init({ dataDir: authorityDir, account: 'acme.example', acceptAgreement: true, clock })
  const url = await startAuthority()
  narrate(`The licensing authority of acme.example answers at ${url}.`)

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
  narrate(
    `The box is installed. Everything works for ${formatDuration(agent.status().evaluation.remainingSeconds * 1000)}.`,
    agent,
  )

  await simulateDays(agent, 5)
  agent.setUsage('HOST', 12)
  narrate('12 hosts are in use, for evaluation.', agent)

  await simulateDays(agent, 15)
  await authority.orders.create({ tag: 'HOST', quantity: 20 })
  const { token } = await authority.tokens.create({
    days: 30,
    description: 'the demo',
    exportControlled: true,
  })
  narrate('20 host licenses are bought, and a registration token is made.', agent)
  await agent.register(token)
  const { registration, authorization, evaluation } = agent.status()
  narrate(
    `Registered with ${registration.smartAccount ?? ''} / ${registration.virtualAccount ?? ''}; 12 of 20 licenses in use.`,
    agent,
  )
  narrate(
    `Next contact on day ${toDay(Date.parse(authorization.nextAttemptAt ?? ''))}, renewal on day ${toDay(Date.parse(registration.nextRenewalAt ?? ''))}; the evaluation stands still at ${formatDuration(evaluation.remainingSeconds * 1000)}.`,
    agent,
  )

  await simulateDays(agent, 40)
  agent.setUsage('HOST', 26)
  await simulateDays(agent, 1, HOUR)
  narrate('26 hosts are in use, 20 are owned: nothing is refused, but it is said.', agent)
  await simulateDays(agent, 2, HOUR)
  await authority.orders.create({ tag: 'HOST', quantity: 10 })
  narrate('10 more are bought; the next poll is at most 12 hours away.', agent)
  await simulateDays(agent, 1, HOUR)
  narrate('Mended by itself.', agent)

  await simulateDays(agent, 36)
  await authority.close()
  narrate('The authority goes out of reach, for months.', agent)
  await simulateDays(agent, 95)
  narrate('Everything still works; licenses are not checked any more.', agent)
  await startAuthority()
  await simulateDays(agent, 1, HOUR)
  narrate('The authority is back: one contact mends it, without registering again.', agent)

  await simulateDays(agent, 20)
  narrate(
    `Six months have passed: the registration has renewed itself, until day ${toDay(Date.parse(agent.status().registration.expiresAt ?? ''))}.`,
    agent,
  )
  await simulateDays(agent, 365 + 20 - toDay())
  narrate('A year has passed since the registration. The box is moved elsewhere.', agent)
  await agent.deregister()
  narrate(
    `Deregistered: every license is back in the pool (${String((await authority.licenses.list())[0]?.inUse ?? 0)} in use), and ${formatDuration(agent.status().evaluation.remainingSeconds * 1000)} of the evaluation are left.`,
    agent,
  )
  await simulateDays(agent, 71)
  narrate(`Left alone until they are used up: ${agent.status().functionalityReason ?? ''}`, agent)
  await agent.close()
  await authority.close()

  print(`\n${colorize('bold', 'What happened when')}`)
  print(formatSummary())
}

try {
  await main()
} finally {
  rmSync(directory, { recursive: true, force: true })
}
