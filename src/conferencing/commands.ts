import { z } from 'zod'
import { defineCommand } from '../core/control-command.ts'
import type { DeploymentApi } from './deployment-api.ts'
import type { HostLicenses } from './hosts-api.ts'
import type { MeetingsApi } from './meetings-api.ts'

/** What `agent.module` is for a conferencing product. */
export interface Conferencing {
  /** Host licenses (R-HOST-1…3): who holds one, by hand or by hosting. */
  readonly hosts: HostLicenses
  /** Meetings, as far as they take licenses (R-HOST-4…8). */
  readonly meetings: MeetingsApi
  /** Size, extended capacity, data centers (R-SYS-1…3). */
  readonly system: DeploymentApi
}

const command = <Params>(
  reads: boolean,
  schema: z.ZodType<Params>,
  run: (api: Conferencing, params: Params) => unknown,
) => defineCommand(reads, schema, run)

const none = z.object({})
const name = z.string().max(20_000)
const user = z.object({ user: name })
const attendance = z.object({ id: name, user: name })
const page = z.object({
  after: z.string().max(1000).default(''),
  limit: z.int().min(1).max(10_000).default(1000),
})

/** What can be asked of the conferencing module over the control socket. */
export const conferencingCommands = {
  'host-list': command(true, page.extend({ all: z.boolean().default(false) }), ({ hosts }, options) => ({
    hosts: hosts.list(options),
  })),
  'host-assign': command(false, user, ({ hosts }, { user }) => hosts.assign(user)),
  'host-deactivate': command(false, user, ({ hosts }, { user }) => hosts.deactivate(user)),
  'host-activate': command(false, user, ({ hosts }, { user }) => hosts.activate(user)),
  'host-attendee-only': command(
    false,
    z.object({ user: name, attendeeOnly: z.boolean() }),
    ({ hosts }, { user, attendeeOnly }) => hosts.setAttendeeOnly(user, attendeeOnly),
  ),
  'meeting-list': command(true, page, ({ meetings }, options) => ({ meetings: meetings.list(options) })),
  'meeting-show': command(true, z.object({ id: name }), ({ meetings }, { id }) => meetings.show(id)),
  'meeting-schedule': command(
    false,
    z.object({
      id: name,
      host: name,
      alternates: z.array(name).max(1000).optional(),
      by: name.optional(),
      startsAt: z.string().max(100).optional(),
      endsAt: z.string().max(100).optional(),
    }),
    ({ meetings }, plan) => meetings.schedule(plan),
  ),
  'meeting-start': command(false, z.object({ id: name, by: name.optional() }), ({ meetings }, { id, by }) =>
    meetings.start(id, by),
  ),
  'meeting-join': command(false, attendance, ({ meetings }, { id, user }) => meetings.join(id, user)),
  'meeting-leave': command(false, attendance, ({ meetings }, { id, user }) => meetings.leave(id, user)),
  'meeting-end': command(false, z.object({ id: name }), ({ meetings }, { id }) => meetings.end(id)),
  'system-show': command(true, none, ({ system }) => system.show()),
  'system-size': command(
    false,
    z.object({
      size: z.enum(['micro', 'small', 'medium', 'large'], 'the size is micro, small, medium or large'),
    }),
    ({ system }, { size }) => system.resize(size),
  ),
  'system-extend': command(false, none, ({ system }) => system.extend()),
  'system-reduce': command(false, none, ({ system }) => system.reduce()),
  'system-join': command(false, z.object({ dataCenter: name }), ({ system }, { dataCenter }) =>
    system.join(dataCenter),
  ),
  'system-join-to': command(false, z.object({ primary: name }), ({ system }, { primary }) =>
    system.joinTo(primary),
  ),
  'system-leave': command(false, z.object({ dataCenter: name.optional() }), ({ system }, { dataCenter }) =>
    system.leave(dataCenter),
  ),
}

export type ConferencingCommandName = keyof typeof conferencingCommands
