import type { Command } from 'commander'
import type { MeetingDocument } from '../../conferencing/index.ts'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import { printTable } from '../table.ts'

function formatMeeting(meeting: MeetingDocument): string {
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

/** Creates the command `meeting`. */
export function createMeetingCommand({ json, call }: AgentCli): Command {
  const meeting = createCommand('meeting').description('meetings, as far as they take licenses')
  const print = (changed: MeetingDocument) => {
    if (json()) printJson(changed)
    else printText(formatMeeting(changed))
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
    .description('plan a meeting: takes no license')
    .argument('<id>')
    .requiredOption('--host <user>', 'the person it is scheduled for')
    .option('--by <user>', 'who schedules it')
    .option('--alternate <user...>', 'alternate hosts')
    .option('--start <time>', 'ISO 8601')
    .option('--end <time>', 'ISO 8601')
    .action(async (id: string, options: ScheduleOptions) => {
      const { host, by: scheduledBy, alternate: alternates, start: startsAt, end: endsAt } = options
      print(
        await call<MeetingDocument>('meeting-schedule', {
          id,
          host,
          scheduledBy,
          alternates,
          startsAt,
          endsAt,
        }),
      )
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
  return meeting
}
