import type { SmartAgent, Status } from '../index.ts'
import { eventWords } from '../agent/event-catalog.ts'
import type { HistoryRow } from '../agent/store.ts'
import type { ChartLayout } from '../diagrams/chart-layout.ts'
import { layOutChart } from '../diagrams/layout.ts'
import { iso } from '../core/time.ts'
import { VERSION } from '../core/version.ts'
import { certificateFingerprint } from '../pki/fingerprint.ts'
import { boxContract as contract } from './device-contract.ts'
import { type Caller, serve, type ServedContract } from '../http/contract.ts'

/** A transition of the chart as a page sees it. */
export const transitionDocument = (row: HistoryRow) => ({
  id: row.id,
  at: iso(row.at),
  event: row.event,
  inWords: eventWords(row.event),
  before: JSON.parse(row.before) as Record<string, unknown>,
  after: JSON.parse(row.after) as Record<string, unknown>,
  notices: JSON.parse(row.notices) as { notice: string; message: string; severity: number }[],
})

/** Codes are for those who carry them: whoever may only look is not shown them. */
export function statusFor(status: Status, { role }: Pick<Caller, 'role'>): Status {
  if (role === 'administrator') return status
  const codes = { requestCode: null, confirmationCode: null, returnCode: null, returned: [] }
  return { ...status, reservation: { ...status.reservation, ...codes } }
}

/** The API of a box, answered by its agent. */
export function boxCalls(agent: SmartAgent): ServedContract<typeof contract> {
  const fingerprint = () => {
    const anchor = agent.trust.anchor()
    return anchor === null ? null : certificateFingerprint(anchor)
  }
  const history = (limit: number, after = 0) => agent.history(limit, after).map(transitionDocument)
  const { reservation } = agent
  let layout: Promise<ChartLayout> | undefined
  return {
    status: serve(contract.status, (_, caller) => statusFor(agent.status(), caller)),
    explain: serve(contract.explain, () => agent.explain()),
    history: serve(contract.history, ({ limit, after }) => ({ history: history(limit, after) })),
    'transport-set': serve(contract['transport-set'], (settings) => agent.transport.set(settings)),
    'transport-test': serve(contract['transport-test'], ({ settings }) =>
      agent.transport.test(settings ? { settings } : {}),
    ),
    trust: serve(contract.trust, () => ({ fingerprint: fingerprint() })),
    'trust-install': serve(contract['trust-install'], async ({ pem }) => {
      await agent.trust.install(pem)
      return { fingerprint: fingerprint() }
    }),
    'tls-ca-install': serve(contract['tls-ca-install'], async ({ pem }) => {
      await agent.trust.installTlsCa(pem)
      return agent.status().transport
    }),
    register: serve(contract.register, ({ token, force }) => agent.register(token, { force })),
    reregister: serve(contract.reregister, ({ token, force }) => agent.reregister(token, { force })),
    deregister: serve(contract.deregister, () => agent.deregister()),
    'renew-registration': serve(contract['renew-registration'], () => agent.renewRegistration()),
    'renew-authorization': serve(contract['renew-authorization'], () => agent.renewAuthorization()),
    'reservation-request': serve(contract['reservation-request'], async () => ({
      requestCode: await reservation.request(),
    })),
    'reservation-cancel': serve(contract['reservation-cancel'], async () => ({
      cancelled: await reservation.cancel(),
    })),
    'reservation-install': serve(contract['reservation-install'], ({ file }) => reservation.install(file)),
    'reservation-update': serve(contract['reservation-update'], ({ file }) => reservation.update(file)),
    'reservation-return-code': serve(contract['reservation-return-code'], async () => ({
      returnCode: await reservation.returnCode(),
    })),
    'reservation-return': serve(contract['reservation-return'], () => reservation.return()),
    'reservation-discard': serve(contract['reservation-discard'], ({ file }) => reservation.discard(file)),
    hosts: serve(contract.hosts, ({ limit, ...wanted }) => {
      const found = agent.module.hosts.list({ ...wanted, limit: limit + 1 })
      return { hosts: found.slice(0, limit), more: found.length > limit }
    }),
    'host-assign': serve(contract['host-assign'], ({ user }) => agent.module.hosts.assign(user)),
    'host-deactivate': serve(contract['host-deactivate'], ({ user }) => agent.module.hosts.deactivate(user)),
    'host-activate': serve(contract['host-activate'], ({ user }) => agent.module.hosts.activate(user)),
    'host-attendee-only': serve(contract['host-attendee-only'], ({ user, attendeeOnly }) =>
      agent.module.hosts.setAttendeeOnly(user, attendeeOnly),
    ),
    system: serve(contract.system, () => agent.module.system.show()),
    'system-size': serve(contract['system-size'], ({ size }) => agent.module.system.resize(size)),
    'system-extend': serve(contract['system-extend'], () => agent.module.system.extend()),
    'system-reduce': serve(contract['system-reduce'], () => agent.module.system.reduce()),
    'system-join': serve(contract['system-join'], ({ dataCenter }) => agent.module.system.join(dataCenter)),
    'system-leave': serve(contract['system-leave'], ({ dataCenter }) => agent.module.system.leave(dataCenter)),
    usage: serve(contract.usage, (wanted) => ({ usage: agent.usage.periods(wanted) })),
    chart: serve(contract.chart, async () => {
      layout ??= layOutChart(agent.machine)
      try {
        return await layout
      } catch (thrown) {
        layout = undefined
        throw thrown
      }
    }),
    support: serve(contract.support, () => supportBundle(agent)),
  }
}

/** Codes are people's to carry, and the account's names are the customer's: the rest helps whoever is asked for help. */
function supportBundle(agent: SmartAgent): Record<string, unknown> {
  const { reservation, ...status } = agent.status()
  const anchor = agent.trust.anchor()
  return {
    version: VERSION,
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    status: {
      ...status,
      reservation: { status: reservation.status, entitlements: reservation.entitlements },
    },
    explanation: agent.explain(),
    trust: anchor === null ? null : certificateFingerprint(anchor),
    // Another product has no deployment to show.
    ...(status.hosts && { system: agent.module.system.show() }),
    history: agent.history(1000).map(transitionDocument),
    usage: agent.usage.periods({ by: 'day', last: 90 }),
    denials: agent.usage.denials(200),
  }
}
