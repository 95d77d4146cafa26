import type { Command } from 'commander'
import type { MeetingDocument } from '../../conferencing/index.ts'
import type { AgentCli } from './agent-cli.ts'
import { createCommand } from '../create-command.ts'
import { printJson, printText } from '../output.ts'
import { printTable } from '../table.ts'

function formatMeeting(meeting: MeetingDocument): string {
  const { id, host, status, actingHost, present, endsAtLatest } = meeting
  if (status === 'running')
    return `${id} is running, hosted by ${actingHost ?? host}, with ${present.length} present. It ends at ${endsAtLatest ?? ''} at the latest.`
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
  const meeting = createCommand('meeting').description('manage meetings that use host licenses')
  const print = (changed: MeetingDocument) => {
    if (json()) printJson(changed)
    else printText(formatMeeting(changed))
  }
  meeting
    .command('list', { isDefault: true })
    .description('list running and scheduled meetings')
    .action(async () => {
      const { meetings } = await call<{ meetings: MeetingDocument[] }>('meeting-list', { limit: 10_000 })
      if (json()) return printJson({ meetings })
      await printTable(
        ['Meeting', 'Host', 'Status', 'Hosted by', 'Present', 'Ends at the latest'],
        meetings.map(({ id, host, status, actingHost, present, endsAtLatest }) => [
          id,
          host,
          status,
          actingHost ?? '-',
          present.length,
          endsAtLatest ?? '-',
        ]),
      )
    })
  meeting
    .command('show')
    .description('show a meeting')
    .argument('<id>')
    .action(async (id: string) => {
      print(await call<MeetingDocument>('meeting-show', { id }))
    })
  meeting
    .command('schedule')
    .description('schedule a meeting; scheduling uses no license')
    .argument('<id>')
    .requiredOption('--host <user>', 'user the meeting is scheduled for')
    .option('--by <user>', 'user who schedules the meeting')
    .option('--alternate <user...>', 'alternate hosts')
    .option('--start <time>', 'start time, ISO 8601')
    .option('--end <time>', 'end time, ISO 8601')
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
    .description('start a meeting as its host or as an alternate host')
    .argument('<id>')
    .option('--by <user>', 'user who starts the meeting (default: its host)')
    .action(async (id: string, options: { by?: string }) => {
      print(await call<MeetingDocument>('meeting-start', { id, ...options }))
    })
  for (const name of ['join', 'leave'] as const) {
    meeting
      .command(name)
      .description(
        name === 'join' ? 'record that a user joins a meeting' : 'record that a user leaves a meeting',
      )
      .argument('<id>')
      .argument('<user>')
      .action(async (id: string, user: string) => {
        print(await call<MeetingDocument>(`meeting-${name}`, { id, user }))
      })
  }
  meeting
    .command('end')
    .description('end a meeting')
    .argument('<id>')
    .action(async (id: string) => {
      print(await call<MeetingDocument>('meeting-end', { id }))
    })
  return meeting
}
