import { type Command, Option } from 'commander'
import type { Status } from '../index.ts'
import type { Denial, UsagePeriod } from '../agent/usage-history.ts'
import type { HostDocument, MeetingDocument, SystemDocument } from '../conferencing/index.ts'
import { csv } from '../core/csv.ts'
import { LicensingError } from '../core/errors.ts'
import type { CommandName } from './agent-client.ts'
import { printJson, printText } from './output.ts'
import { bar, printTable } from './table.ts'

/** What the commands of one program share. */
export interface AgentCli {
  readonly json: () => boolean
  readonly call: <T>(verb: CommandName, params?: object) => Promise<T>
  readonly printStatus: (status: Status) => Promise<void>
}

/** A whole number of the command line. @throws LicensingError INVALID_ARGUMENT */
function wholeNumber(text: string, what: string): number {
  if (/^\d{1,9}$/.test(text) && Number(text) > 0) return Number(text)
  throw new LicensingError(
    'INVALID_ARGUMENT',
    `${what} is a whole number, 1 or more, not ${JSON.stringify(text)}.`,
  )
}

/** The commands of what the product does with its licences: hosts, meetings, usage, the system, upgrades. */
export function addProductCommands(program: Command, cli: AgentCli): void {
  addHosts(program, cli)
  addMeetings(program, cli)
  addUsage(program, cli)
  addSystem(program, cli)
  program
    .command('upgrade')
    .description('say that the product was upgraded; its own start with that version begins an evaluation')
    .requiredOption('--to <version>', 'the version it has now')
    .action(async (options: { to: string }) => {
      const { reservation: before } = await cli.call<Status>('status')
      const status = await cli.call<Status>('upgrade', { version: options.to })
      await cli.printStatus(status)
      if (!cli.json() && before.status === 'installed' && status.reservation.status === 'none')
        printText(
          'The reservation of the old version has ended: enter its return code at the authority (`smart-agent reservation show`).',
        )
    })
}

const hostRow = (host: HostDocument) => [
  host.user,
  host.license ?? '-',
  host.reason ?? '-',
  host.assignedAt ?? '-',
  host.active ? (host.attendeeOnly ? 'attendee only' : 'active') : 'deactivated',
]

function hostLine({ user, license, active, attendeeOnly }: HostDocument): string {
  if (!active) return `${user} is deactivated, and holds no licence.`
  if (attendeeOnly) return `${user} may attend only.`
  return license === null
    ? `${user} is active, and holds no licence.`
    : `${user} holds a ${license} host licence.`
}

function addHosts(program: Command, { json, call }: AgentCli): void {
  const host = program.command('host').description('host licences: who holds one')
  host
    .command('list', { isDefault: true })
    .description('who holds a host licence')
    .option('--all', 'everybody known, without a licence too')
    .action(async (options: { all?: boolean }) => {
      const hosts: HostDocument[] = []
      for (let after = ''; ;) {
        const { hosts: page } = await call<{ hosts: HostDocument[] }>('host-list', {
          after,
          limit: 10_000,
          all: options.all ?? false,
        })
        hosts.push(...page)
        after = page.at(-1)?.user ?? ''
        if (page.length < 10_000) break
      }
      if (json()) printJson({ hosts })
      else await printTable(['User', 'Licence', 'By', 'Since', 'Account'], hosts.map(hostRow))
    })
  for (const [name, description] of [
    ['assign', 'give a user a host licence by hand'],
    ['deactivate', 'deactivate a user: releases the licence'],
    ['activate', 'activate a user again'],
  ] as const) {
    host
      .command(name)
      .description(description)
      .argument('<user>')
      .action(async (user: string) => {
        const changed = await call<HostDocument>(`host-${name}`, { user })
        if (json()) printJson(changed)
        else printText(hostLine(changed))
      })
  }
  host
    .command('attendee-only')
    .description('make a user one who may attend only')
    .argument('<user>')
    .option('--off', 'let the user host again')
    .action(async (user: string, options: { off?: boolean }) => {
      const changed = await call<HostDocument>('host-attendee-only', {
        user,
        attendeeOnly: !(options.off ?? false),
      })
      if (json()) printJson(changed)
      else printText(hostLine(changed))
    })
}

function meetingLine(meeting: MeetingDocument): string {
  const { id, host, status, actingHost, present, endsAtLatest } = meeting
  if (status === 'running')
    return `${id} runs, hosted by ${actingHost ?? host}, ${present.length} present; it ends at ${endsAtLatest ?? ''} at the latest.`
  if (status === 'ended') return `${id} has ended.`
  const { startsAt, endsAt } = meeting
  return `${id} is scheduled for ${host}${startsAt === null ? '' : `, from ${startsAt}`}${endsAt === null ? '' : `, until ${endsAt}`}.`
}

interface ScheduleOptions {
  host: string
  by?: string
  alternate?: string[]
  start?: string
  end?: string
}

function addMeetings(program: Command, { json, call }: AgentCli): void {
  const meeting = program.command('meeting').description('meetings, as far as they take licences')
  const print = (changed: MeetingDocument) => {
    if (json()) printJson(changed)
    else printText(meetingLine(changed))
  }
  meeting
    .command('list', { isDefault: true })
    .description('the meetings that run or are scheduled')
    .action(async () => {
      const { meetings } = await call<{ meetings: MeetingDocument[] }>('meeting-list', { limit: 10_000 })
      if (json()) return printJson({ meetings })
      await printTable(
        ['Meeting', 'Host', 'Status', 'Hosted by', 'Present', 'Ends at the latest'],
        meetings.map((one) => [
          one.id,
          one.host,
          one.status,
          one.actingHost ?? '-',
          one.present.length,
          one.endsAtLatest ?? '-',
        ]),
      )
    })
  meeting
    .command('show')
    .description('one meeting')
    .argument('<id>')
    .action(async (id: string) => {
      print(await call<MeetingDocument>('meeting-show', { id }))
    })
  meeting
    .command('schedule')
    .description('plan a meeting: takes no licence')
    .argument('<id>')
    .requiredOption('--host <user>', 'the person it is scheduled for')
    .option('--by <user>', 'who schedules it')
    .option('--alternate <user...>', 'alternate hosts')
    .option('--start <time>', 'ISO 8601')
    .option('--end <time>', 'ISO 8601')
    .action(async (id: string, options: ScheduleOptions) => {
      const { host, by, alternate: alternates, start: startsAt, end: endsAt } = options
      print(await call<MeetingDocument>('meeting-schedule', { id, host, by, alternates, startsAt, endsAt }))
    })
  meeting
    .command('start')
    .description('begin it: its host, or an alternate host')
    .argument('<id>')
    .option('--by <user>', 'who begins it; its host unless named')
    .action(async (id: string, options: { by?: string }) => {
      print(await call<MeetingDocument>('meeting-start', { id, ...options }))
    })
  for (const name of ['join', 'leave'] as const) {
    meeting
      .command(name)
      .description(name === 'join' ? 'somebody attends' : 'somebody leaves')
      .argument('<id>')
      .argument('<user>')
      .action(async (id: string, user: string) => {
        print(await call<MeetingDocument>(`meeting-${name}`, { id, user }))
      })
  }
  meeting
    .command('end')
    .description('the meeting is over')
    .argument('<id>')
    .action(async (id: string) => {
      print(await call<MeetingDocument>('meeting-end', { id }))
    })
}

const BAR = 30

interface HistoryOptions {
  by: 'hour' | 'day'
  last: string
  tag?: string
  csv?: boolean
}

function addUsage(program: Command, { json, call, printStatus }: AgentCli): void {
  const usage = program.command('usage').description('what of each licence is in use, was, and was refused')
  usage
    .command('show', { isDefault: true })
    .description('the tags in use')
    .action(async () => {
      const { entitlements } = await call<Status>('status')
      if (json()) return printJson({ entitlements })
      printText(
        entitlements.length === 0
          ? 'Nothing is in use.'
          : entitlements.map(({ tag, count, status }) => `${tag}  ${count}  ${status}`).join('\n'),
      )
    })
  usage
    .command('set')
    .description('say how many of a tag the product itself uses')
    .argument('<tag>', 'entitlement tag')
    .argument('<count>', 'how many')
    .action(async (tag: string, text: string) => {
      const count = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN
      if (Number.isNaN(count))
        throw new LicensingError(
          'INVALID_ARGUMENT',
          `The count ${JSON.stringify(text)} is not a whole number from 0 to 10,000,000.`,
        )
      await printStatus(await call<Status>('usage-set', { tag, count }))
    })
  usage
    .command('history')
    .description('peak and mean use of each tag')
    .addOption(new Option('--by <period>', 'hour or day').choices(['hour', 'day']).default('day'))
    .option('--last <n>', 'how many hours or days back', '30')
    .option('--tag <tag>', 'one tag only')
    .option('--csv', 'comma-separated values')
    .action(async (options: HistoryOptions) => {
      const last = Math.min(wholeNumber(options.last, '--last'), 10_000)
      const { usage: all } = await call<{ usage: UsagePeriod[] }>('usage-history', { by: options.by, last })
      const periods = all.filter(({ tag }) => options.tag === undefined || tag === options.tag)
      const columns = ['tag', 'from', 'peak', 'mean']
      if (json()) printJson({ usage: periods })
      else if (options.csv)
        process.stdout.write(
          csv(
            columns,
            periods.map(({ tag, from, peak, mean }) => [tag, from, peak, mean]),
          ),
        )
      else {
        const most = Math.max(0, ...periods.map(({ peak }) => peak))
        await printTable(
          ['Tag', options.by === 'day' ? 'Day' : 'Hour', 'Peak', 'Mean', ''],
          periods.map(({ tag, from, peak, mean }) => [
            tag,
            options.by === 'day' ? from.slice(0, 10) : from.slice(0, 16).replace('T', ' '),
            peak,
            mean,
            bar(peak, most, BAR),
          ]),
        )
      }
    })
  usage
    .command('denials')
    .description('what was refused, and why')
    .option('--limit <n>', 'how many of the newest', '100')
    .option('--csv', 'comma-separated values')
    .action(async (options: { limit: string; csv?: boolean }) => {
      const limit = Math.min(wholeNumber(options.limit, '--limit'), 10_000)
      const { denials } = await call<{ denials: Denial[] }>('usage-denials', { limit })
      const rows = denials.map(({ at, what, who, code, reason }) => [at, what, who ?? '', code, reason])
      if (json()) printJson({ denials })
      else if (options.csv) process.stdout.write(csv(['at', 'what', 'who', 'code', 'reason'], rows))
      else await printTable(['When', 'What', 'Who', 'Code', 'Why'], rows)
    })
}

function systemText(system: SystemDocument): string {
  const { size, ports, portsInUse, extended, role, dataCenters, primary, licenses } = system
  const held = Object.entries(licenses).map(([tag, count]) => `${count} of ${tag}`)
  return [
    `size          ${size}${extended ? ', extended' : ''}: ${ports} ports, ${portsInUse} in use`,
    `data centers  ${role === 'single' ? 'this one' : role === 'joined' ? `of ${primary ?? ''}, which holds the licences` : `this one, the primary, and ${dataCenters.join(', ')}`}`,
    `licences      ${held.join(', ') || 'none needed'}`,
  ].join('\n')
}

function addSystem(program: Command, { json, call }: AgentCli): void {
  const system = program.command('system').description('size, extended capacity and data centers')
  const print = (changed: SystemDocument) => {
    if (json()) printJson(changed)
    else printText(systemText(changed))
  }
  system
    .command('show', { isDefault: true })
    .description('what the system is')
    .action(async () => {
      print(await call<SystemDocument>('system-show'))
    })
  system
    .command('size')
    .description('another deployment size')
    .argument('<size>', 'micro, small, medium or large')
    .action(async (size: string) => {
      print(await call<SystemDocument>('system-size', { size }))
    })
  for (const name of ['extend', 'reduce'] as const) {
    system
      .command(name)
      .description(name === 'extend' ? 'from 2000 to 4000 ports: its licence first' : 'back to 2000 ports')
      .action(async () => {
        print(await call<SystemDocument>(`system-${name}`))
      })
  }
  system
    .command('join')
    .description('let a data center join this one, the primary (its licences first); or join another one')
    .argument('[data-center]', 'the one that joins this one')
    .option('--to <primary>', 'join that one: the hosts of this one release their licences')
    .action(async (dataCenter: string | undefined, options: { to?: string }) => {
      if ((dataCenter === undefined) === (options.to === undefined))
        throw new LicensingError(
          'USAGE',
          'Name the data center that joins, or with --to the one to be joined.',
        )
      print(
        options.to === undefined
          ? await call<SystemDocument>('system-join', { dataCenter })
          : await call<SystemDocument>('system-join-to', { primary: options.to }),
      )
    })
  system
    .command('leave')
    .description('let a data center leave this system; without a name, leave the one that was joined')
    .argument('[data-center]')
    .action(async (dataCenter?: string) => {
      print(await call<SystemDocument>('system-leave', { ...(dataCenter !== undefined && { dataCenter }) }))
    })
}
