// Writes persisted states of characteristic situations, for the migration tests of later versions. Run once before the release
// of a new STATE_VERSION: node scripts/write-golden-facts.mjs
import { mkdirSync, writeFileSync } from 'node:fs'
import { initialTransition, transition } from '../dist/machines/index.js'
import { STATE_VERSION, serializeState } from '../dist/src/agent/persisted-state.js'

const DAY = 86_400_000
const start = Date.parse('2027-01-01T00:00:00Z')
const at = (days) => start + days * DAY
const failure = { code: 'TIMED_OUT', message: 'No answer.', remedy: 'Wait.' }
const lost = { failure, jitter: 0.5, retryAfter: null }
const account = { smartAccount: 'acme.example', virtualAccount: 'Default' }

const used = { type: 'usage.changed', at: at(0), tag: 'HOST', count: 3 }
const register = { type: 'registration.start', at: at(1), force: false, again: false }
const registered = {
  type: 'register.accepted',
  at: at(1),
  registration: {
    instanceId: '5f0c1c1e-6d7b-4b8e-9a55-0d6d0b8f1a11',
    ...account,
    exportControlled: true,
    registeredAt: at(1),
    expiresAt: at(366),
  },
}
const answered = (compliant) => ({
  type: 'authorize.accepted',
  at: at(1),
  counts: { HOST: 3 },
  compliant,
  entitlements: [
    {
      tag: 'HOST',
      name: 'Host License',
      description: 'Permanent host license, per host',
      count: 3,
      status: compliant ? 'in-compliance' : 'out-of-compliance',
    },
  ],
  deadlineAt: at(91),
  nextContactAt: null,
  ...account,
})
const requested = { type: 'reservation.request', at: at(1), requestCode: '2EXAMP-1E' }
const installed = (count) => ({
  type: 'reservation.install',
  at: at(2),
  grant: {
    reservationId: '2102138f-2792-4b00-8d06-3b8223258c63',
    authorityId: 'd1cbe3c9-ed58-4658-9be8-5d8fe334ca2b',
    authorityKey: 'PAuW7uNWGogq1gkqWIRyFWRfzYp-PFiC2g0CdKLqSW8',
    ...account,
    epoch: 1,
    sequence: 1,
    issuedAt: at(1),
    installedAt: at(2),
    reservedAt: at(2),
    licenses: [{ tag: 'HOST', name: 'Host License', count, endsAt: at(365), lastWarningSeconds: null }],
    confirmationCode: null,
    knownAt: at(1),
  },
})
const authorized = [used, register, registered, answered(true)]

const histories = {
  evaluation: [used],
  unregistered: [used, { type: 'clock.tick', at: at(90), used: 90 * 86_400 }],
  'registering-retrying': [used, register, { type: 'register.unreachable', at: at(1), ...lost }],
  'registration-refused': [used, register, { type: 'register.refused', at: at(1), failure, ended: false }],
  registered: [used, register, registered],
  authorized,
  'out-of-compliance': [used, register, registered, answered(false)],
  'auth-expired': [
    ...authorized,
    { type: 'clock.tick', at: at(91), used: 0 },
    { type: 'authorize.unreachable', at: at(91), ...lost },
  ],
  reregistering: [...authorized, { type: 'registration.start', at: at(2), force: true, again: true }],
  'renewal-retrying': [
    ...authorized,
    { type: 'registration.renew', at: at(5) },
    { type: 'renew.unreachable', at: at(5), ...lost },
  ],
  'reservation-requested': [used, requested],
  reserved: [used, requested, installed(5)],
  'not-authorized': [used, requested, installed(2)],
  'reservation-returning': [
    used,
    requested,
    installed(5),
    { type: 'reservation.return-code', at: at(3), returnCode: '4EXAMP-1E' },
  ],
  'reservation-returned': [
    used,
    requested,
    installed(5),
    { type: 'reservation.return-code', at: at(3), returnCode: '4EXAMP-1E' },
    { type: 'reservation.return', at: at(4) },
  ],
  'registration-expired': [...authorized, { type: 'clock.tick', at: at(366), used: 0 }],
}

const directory = new URL(`../test/golden/facts-${STATE_VERSION}/`, import.meta.url)
mkdirSync(directory, { recursive: true })
for (const [name, events] of Object.entries(histories)) {
  let { snapshot } = initialTransition(start)
  for (const event of events) ({ snapshot } = transition(snapshot, event))
  writeFileSync(
    new URL(`${name}.json`, directory),
    `${JSON.stringify(JSON.parse(serializeState(snapshot)), null, 2)}\n`,
  )
}
