import { z } from 'zod'
import { defineCommand } from '../core/control-command.ts'
import type { DeploymentApi } from './deployment-api.ts'
import type { HostLicenses } from './hosts-api.ts'
import type { MeetingsApi } from './meetings-api.ts'

/** Interface of a conferencing product, as `agent.module`. */
export interface Conferencing {
  /** Host licenses (R-HOST-1…3), assigned manually or by hosting. */
  readonly hosts: HostLicenses
  /** Meetings and their use of licenses (R-HOST-4…8). */
  readonly meetings: MeetingsApi
  /** Deployment size, extended capacity and data centers (R-SYS-1…3). */
  readonly system: DeploymentApi
}

const defineConferencingCommand = <Params>(
  reads: boolean,
  schema: z.ZodType<Params>,
  run: (api: Conferencing, params: Params) => unknown,
) => defineCommand(reads, schema, run)

const emptySchema = z.object({})
const nameSchema = z.string().max(20_000)
const userSchema = z.object({ user: nameSchema })
const attendanceSchema = z.object({ id: nameSchema, user: nameSchema })
const pageSchema = z.object({
  after: z.string().max(1000).default(''),
  limit: z.int().min(1).max(10_000).default(1000),
})

/** Control socket commands of the conferencing module. */
export const conferencingCommands = {
  'host-list': defineConferencingCommand(
    true,
    pageSchema.extend({ all: z.boolean().default(false) }),
    ({ hosts }, options) => ({
      hosts: hosts.list(options),
    }),
  ),
  'host-assign': defineConferencingCommand(false, userSchema, ({ hosts }, { user }) => hosts.assign(user)),
  'host-deactivate': defineConferencingCommand(false, userSchema, ({ hosts }, { user }) =>
    hosts.deactivate(user),
  ),
  'host-activate': defineConferencingCommand(false, userSchema, ({ hosts }, { user }) =>
    hosts.activate(user),
  ),
  'host-attendee-only': defineConferencingCommand(
    false,
    z.object({ user: nameSchema, attendeeOnly: z.boolean() }),
    ({ hosts }, { user, attendeeOnly }) => hosts.setAttendeeOnly(user, attendeeOnly),
  ),
  'meeting-list': defineConferencingCommand(true, pageSchema, ({ meetings }, options) => ({
    meetings: meetings.list(options),
  })),
  'meeting-show': defineConferencingCommand(true, z.object({ id: nameSchema }), ({ meetings }, { id }) =>
    meetings.show(id),
  ),
  'meeting-schedule': defineConferencingCommand(
    false,
    z.object({
      id: nameSchema,
      host: nameSchema,
      alternates: z.array(nameSchema).max(1000).optional(),
      scheduledBy: nameSchema.optional(),
      startsAt: z.string().max(100).optional(),
      endsAt: z.string().max(100).optional(),
    }),
    ({ meetings }, plan) => meetings.schedule(plan),
  ),
  'meeting-start': defineConferencingCommand(
    false,
    z.object({ id: nameSchema, by: nameSchema.optional() }),
    ({ meetings }, { id, by }) => meetings.start(id, by),
  ),
  'meeting-join': defineConferencingCommand(false, attendanceSchema, ({ meetings }, { id, user }) =>
    meetings.join(id, user),
  ),
  'meeting-leave': defineConferencingCommand(false, attendanceSchema, ({ meetings }, { id, user }) =>
    meetings.leave(id, user),
  ),
  'meeting-end': defineConferencingCommand(false, z.object({ id: nameSchema }), ({ meetings }, { id }) =>
    meetings.end(id),
  ),
  'system-show': defineConferencingCommand(true, emptySchema, ({ system }) => system.show()),
  'system-size': defineConferencingCommand(
    false,
    z.object({
      size: z.enum(['micro', 'small', 'medium', 'large'], 'the size must be micro, small, medium or large'),
    }),
    ({ system }, { size }) => system.resize(size),
  ),
  'system-extend': defineConferencingCommand(false, emptySchema, ({ system }) => system.extend()),
  'system-reduce': defineConferencingCommand(false, emptySchema, ({ system }) => system.reduce()),
  'system-join': defineConferencingCommand(
    false,
    z.object({ dataCenter: nameSchema }),
    ({ system }, { dataCenter }) => system.join(dataCenter),
  ),
  'system-join-to': defineConferencingCommand(
    false,
    z.object({ primary: nameSchema }),
    ({ system }, { primary }) => system.joinTo(primary),
  ),
  'system-leave': defineConferencingCommand(
    false,
    z.object({ dataCenter: nameSchema.optional() }),
    ({ system }, { dataCenter }) => system.leave(dataCenter),
  ),
}

export type ConferencingCommandName = keyof typeof conferencingCommands
