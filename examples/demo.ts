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

// Runs a licensed device through a year in seconds. Only the time is virtual. The authority, the agent, both databases, the
// certificates, the signatures and TLS are real.

/** Time of the installation, from which days are counted. */
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
/** Prints a line of the story with the state of the device. */
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

/** Advances the time in steps, with a tick of the agent after each. */
async function simulateDays(agent: SmartAgent, days: number, step = DAY): Promise<void> {
  const end = clock.wall() + days * DAY
  while (clock.wall() < end) {
    clock.advance(Math.min(step, end - clock.wall()))
    agent.tick()
    await agent.idle()
  }
}

/** Notices printed while time passes. The table at the end lists all notices. */
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
    // Repeated notices in one state share a row, such as the attempts during an outage.
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
  print(colorize('bold', 'A licensed device through a year'))
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
    `The device is installed. The evaluation period lasts ${formatDuration(agent.status().evaluation.remainingSeconds * 1000)}.`,
    agent,
  )

  await simulateDays(agent, 5)
  agent.setUsage('HOST', 12)
  narrate('12 host licenses are in use for evaluation.', agent)

  await simulateDays(agent, 15)
  await authority.orders.create({ tag: 'HOST', quantity: 20 })
  const { token } = await authority.tokens.create({
    days: 30,
    description: 'the demo',
    exportControlled: true,
  })
  narrate('20 host licenses are ordered, and a registration token is created.', agent)
  await agent.register(token)
  const { registration, authorization, evaluation } = agent.status()
  narrate(
    `Registered with ${registration.smartAccount ?? ''} / ${registration.virtualAccount ?? ''}; 12 of 20 licenses in use.`,
    agent,
  )
  narrate(
    `Next contact on day ${toDay(Date.parse(authorization.nextAttemptAt ?? ''))}, renewal on day ${toDay(Date.parse(registration.nextRenewalAt ?? ''))}; the evaluation period is paused with ${formatDuration(evaluation.remainingSeconds * 1000)} left.`,
    agent,
  )

  await simulateDays(agent, 40)
  agent.setUsage('HOST', 26)
  await simulateDays(agent, 1, HOUR)
  narrate('26 licenses are in use, 20 are owned. Nothing is refused, but the shortage is reported.', agent)
  await simulateDays(agent, 2, HOUR)
  await authority.orders.create({ tag: 'HOST', quantity: 10 })
  narrate('10 more licenses are ordered. The next poll follows within 12 hours.', agent)
  await simulateDays(agent, 1, HOUR)
  narrate('The device is in compliance again, without intervention.', agent)

  await simulateDays(agent, 36)
  await authority.close()
  narrate('The authority becomes unreachable for months.', agent)
  await simulateDays(agent, 95)
  narrate('Everything still works, but licenses are no longer checked.', agent)
  await startAuthority()
  await simulateDays(agent, 1, HOUR)
  narrate(
    'The authority is back. One exchange restores the authorization, without a new registration.',
    agent,
  )

  await simulateDays(agent, 20)
  narrate(
    `After six months, the registration was renewed automatically until day ${toDay(Date.parse(agent.status().registration.expiresAt ?? ''))}.`,
    agent,
  )
  await simulateDays(agent, 365 + 20 - toDay())
  narrate('A year has passed since the registration. The device is decommissioned.', agent)
  await agent.deregister()
  narrate(
    `Deregistered. All licenses are back in the pool (${String((await authority.licenses.list())[0]?.inUse ?? 0)} in use), and ${formatDuration(agent.status().evaluation.remainingSeconds * 1000)} of the evaluation period are left.`,
    agent,
  )
  await simulateDays(agent, 71)
  narrate(`The evaluation period has ended: ${agent.status().functionalityReason ?? ''}`, agent)
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
