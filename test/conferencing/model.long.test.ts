import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { SmartAgent } from '../../src/index.ts'
import { LicensingError } from '../../src/core/errors.ts'
import { createTestEnvironment } from '../support/test-environment.ts'

/** Model of the planning guide's rules: users, meetings and host licenses. */
class Model {
  readonly holders = new Set<string>()
  readonly deactivated = new Set<string>()
  readonly attendeeOnly = new Set<string>()
  readonly meetings = new Map<string, ModelMeeting>()

  running = (user: string): number =>
    [...this.meetings.values()].filter(({ status, acting }) => status === 'running' && acting === user).length
  runsFor = (user: string): boolean =>
    [...this.meetings.values()].some(
      ({ status, acting, host }) => status === 'running' && (acting === user || host === user),
    )
  mayHost = (user: string): boolean => !this.deactivated.has(user) && !this.attendeeOnly.has(user)
}
interface ModelMeeting {
  readonly host: string
  readonly alternates: readonly string[]
  status: 'scheduled' | 'running' | 'ended'
  acting: string | null
  present: Set<string>
}

const USERS = ['ann', 'bob', 'carol', 'dan'] as const
const MEETINGS = ['m1', 'm2', 'm3', 'm4', 'm5', 'm6'] as const
const user = fc.constantFrom(...USERS)
const id = fc.constantFrom(...MEETINGS)

type Action =
  | { do: 'assign' | 'deactivate' | 'activate'; user: string }
  | { do: 'attendeeOnly'; user: string; only: boolean }
  | { do: 'schedule'; id: string; user: string; alternates: string[] }
  | { do: 'start' | 'join' | 'leave'; id: string; user: string }
  | { do: 'end'; id: string }
  | { do: 'restart' | 'register' | 'deregister' | 'day' }

const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ do: fc.constantFrom('assign', 'deactivate', 'activate'), user }),
  fc.record({ do: fc.constant('attendeeOnly' as const), user, only: fc.boolean() }),
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('schedule' as const),
      id,
      user,
      alternates: fc.uniqueArray(user, { maxLength: 2 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('start', 'start', 'join', 'leave'), id, user }) },
  fc.record({ do: fc.constant('end' as const), id }),
  fc.record({ do: fc.constantFrom('restart', 'register', 'deregister', 'day') }),
)

/** Applies an action to the model. Returns false if the model refuses the action. */
function modelDoes(model: Model, one: Action): boolean {
  switch (one.do) {
    case 'assign':
      if (!model.mayHost(one.user)) return false
      model.holders.add(one.user)
      return true
    case 'deactivate':
      if (model.runsFor(one.user)) return false
      model.holders.delete(one.user)
      model.deactivated.add(one.user)
      return true
    case 'activate':
      model.deactivated.delete(one.user)
      return true
    case 'attendeeOnly':
      if (one.only && model.holders.has(one.user)) return false
      if (one.only) model.attendeeOnly.add(one.user)
      else model.attendeeOnly.delete(one.user)
      return true
    case 'schedule': {
      const alternates = one.alternates.filter((name) => name !== one.user)
      if (![one.user, ...alternates].every(model.mayHost)) return false
      const there = model.meetings.get(one.id)
      if (there)
        return there.host === one.user && JSON.stringify(there.alternates) === JSON.stringify(alternates)
      model.meetings.set(one.id, {
        host: one.user,
        alternates,
        status: 'scheduled',
        acting: null,
        present: new Set(),
      })
      return true
    }
    case 'start': {
      const meeting = model.meetings.get(one.id)
      if (!meeting || meeting.status === 'ended') return false
      if (one.user !== meeting.host && !meeting.alternates.includes(one.user)) return false
      if (meeting.status === 'running') return joins(model, meeting, one.user)
      if (model.running(one.user) >= 2) return false
      if (!model.mayHost(meeting.host) || !model.mayHost(one.user)) return false
      model.holders.add(meeting.host).add(one.user)
      meeting.status = 'running'
      meeting.acting = one.user
      meeting.present.add(one.user)
      return true
    }
    case 'join': {
      const meeting = model.meetings.get(one.id)
      return meeting?.status === 'running' && joins(model, meeting, one.user)
    }
    case 'leave': {
      const meeting = model.meetings.get(one.id)
      if (meeting?.status !== 'running') return false
      meeting.present.delete(one.user)
      if (meeting.present.size === 0) meeting.status = 'ended'
      else if (meeting.acting === one.user) succeeds(model, meeting)
      return true
    }
    case 'end': {
      const meeting = model.meetings.get(one.id)
      if (!meeting || meeting.status === 'scheduled') return false
      meeting.status = 'ended'
      return true
    }
    default:
      return true
  }
}

function joins(model: Model, meeting: ModelMeeting, name: string): boolean {
  meeting.present.add(name)
  if (name === meeting.host && meeting.acting !== name) acts(model, meeting, name)
  else if (!meeting.present.has(meeting.acting ?? '')) succeeds(model, meeting)
  return true
}

/** Makes a user the acting host with a license. Returns false if the user may not host or hosts too many meetings. */
function acts(model: Model, meeting: ModelMeeting, name: string): boolean {
  if (!model.mayHost(name) || model.running(name) >= 2) return false
  model.holders.add(name)
  meeting.acting = name
  return true
}

function succeeds(model: Model, meeting: ModelMeeting): void {
  for (const name of [meeting.host, ...meeting.alternates])
    if (meeting.present.has(name) && acts(model, meeting, name)) return
}

async function agentDoes(agent: SmartAgent, one: Action): Promise<boolean> {
  try {
    switch (one.do) {
      case 'assign':
        await agent.module.hosts.assign(one.user)
        break
      case 'deactivate':
        await agent.module.hosts.deactivate(one.user)
        break
      case 'activate':
        await agent.module.hosts.activate(one.user)
        break
      case 'attendeeOnly':
        await agent.module.hosts.setAttendeeOnly(one.user, one.only)
        break
      case 'schedule':
        await agent.module.meetings.schedule({ id: one.id, host: one.user, alternates: one.alternates })
        break
      case 'start':
        await agent.module.meetings.start(one.id, one.user)
        break
      case 'join':
        await agent.module.meetings.join(one.id, one.user)
        break
      case 'leave':
        await agent.module.meetings.leave(one.id, one.user)
        break
      case 'end':
        await agent.module.meetings.end(one.id)
        break
      default:
    }
    return true
  } catch (error) {
    if (error instanceof LicensingError && error.code !== 'INTERNAL') return false
    throw error
  }
}

it('R-HOST-1…R-HOST-7: the counts match the model for any sequence of users, meetings, restarts and states', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 50 }), async (actions) => {
      const world = await createTestEnvironment()
      try {
        let agent = await world.open()
        const model = new Model()
        for (const one of actions) {
          if (one.do === 'restart') {
            await agent.close()
            agent = await world.open()
          } else if (one.do === 'register')
            await agent.register(await world.token(), { force: true }).catch(() => undefined)
          else if (one.do === 'deregister') await agent.deregister().catch(() => undefined)
          else if (one.do === 'day') {
            // Shorter than the maximum duration of a meeting.
            world.clock.advance(20_000)
            agent.tick()
          } else expect([one, await agentDoes(agent, one)]).toEqual([one, modelDoes(model, one)])
          for (const { actingHost } of agent.module.meetings
            .list()
            .filter(({ status }) => status === 'running'))
            expect(agent.module.hosts.find(actingHost ?? '')).toMatchObject({
              license: expect.any(String) as string,
              active: true,
            })
          const { hosts = { assigned: -1, permanent: 0, demo: 0 }, entitlements } = agent.status()
          expect([one, hosts.assigned]).toEqual([one, model.holders.size])
          expect(hosts.permanent + hosts.demo).toBe(hosts.assigned)
          expect(entitlements.find(({ tag }) => tag === 'HOST')?.count ?? 0).toBe(model.holders.size)
          expect(new Set(agent.module.hosts.list().map((host) => host.user))).toEqual(model.holders)
          for (const [name, meeting] of model.meetings)
            expect(agent.module.meetings.show(name)).toMatchObject({
              status: meeting.status,
              ...(meeting.status === 'running' && { actingHost: meeting.acting }),
            })
        }
      } finally {
        await world.close()
      }
    }),
    { numRuns: Number(process.env.MODEL_RUNS ?? 30) },
  )
})
