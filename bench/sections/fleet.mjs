// Measures simulations: devices for a year with virtual time only, 100,000 state machines for a year, and the recovery after
// an outage.
import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { runSimulation, simulateFleet, createPlan } from '../../dist/tools/simulator/index.js'
import { hollowSteps } from './chart.mjs'
import { drawArrivals } from '../plot.mjs'
import { rate } from '../rate.mjs'
import { mebibytes, seconds } from '../table.mjs'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const DEVICES = 100_000
/** Milliseconds of one process per answered exchange and per rejected connection, measured by `npm run bench -- reconnect-storm`. */
const WORK = { answer: 2.6, sendAway: 0.8 }
const OUTAGE = 8

/** Categories of stack frames by file. The innermost frame with a category decides. */
const categories = [
  ['storage', /better-sqlite3|kysely|node:fs|simulator\/disk|agent\/store|authority\/store|src\/storage\//],
  ['signatures', /node:internal\/crypto|asn1|x509|\/jose\/|src\/pki\//],
  ['state machine', /\/xstate\/|\/machines\//],
]
const getCategory = ({ url, functionName }) =>
  categories.find(([, files]) => files.test(url))?.[0] ??
  (url === '' && functionName === '(idle)' ? 'idle' : null)

/** Profiles some work and formats the shares of storage, signatures, state machine and the rest. */
async function shares(work) {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: 500 })
  await session.post('Profiler.start')
  await work()
  const { profile } = await session.post('Profiler.stop')
  session.disconnect()
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const parents = new Map(
    profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])),
  )
  const spent = {}
  let all = 0
  profile.samples.forEach((sample, i) => {
    let category = null
    for (let id = sample; id !== undefined && category === null; id = parents.get(id))
      category = getCategory(nodes.get(id).callFrame)
    if (category === 'idle') return
    const time = profile.timeDeltas[i]
    all += time
    spent[category ?? 'the rest'] = (spent[category ?? 'the rest'] ?? 0) + time
  })
  return ['state machine', 'signatures', 'storage', 'the rest']
    .map((category) => `${category} ${Math.round((100 * (spent[category] ?? 0)) / all)} %`)
    .join(', ')
}

/** Keeps only the first registration and the first usage report of each device. */
const removeInteractions = (plan) => ({
  ...plan,
  steps: plan.steps.filter(
    ({ action }, i) =>
      ['register', 'use'].includes(action.kind) &&
      i ===
        plan.steps.findIndex(
          ({ action: { kind, device } }) => kind === action.kind && device === action.device,
        ),
  ),
})

const timed = (work) => {
  const start = performance.now()
  const report = work()
  return { report, took: (performance.now() - start) / 1000 }
}
const count = (n) => Math.round(n).toLocaleString('en')

export async function fleet(row, _directory, note) {
  const busy = createPlan({ seed: 1, devices: 20, satellites: 0, days: 365, faults: 'none' })
  for (const [name, plan, description] of [
    [
      'without interaction',
      removeInteractions(busy),
      'Without interaction, a device registers, reports usage once and renews for a year',
    ],
    ['with interaction', busy, 'With interaction, users and administrators act all year, and nothing fails'],
  ]) {
    await runSimulation(plan)
    const start = performance.now()
    const { violation } = await runSimulation(plan)
    if (violation) throw new Error(violation.message)
    const real = 20 / ((performance.now() - start) / 1000)
    row(`device-years, virtual time only, ${name}`, `${real.toFixed(1)} /s`, '', null, '100 /s')
    note(`${description}. Shares of the time: ${await shares(() => runSimulation(plan))}.`)
  }

  const year = timed(() =>
    simulateFleet({
      seed: 1,
      devices: DEVICES,
      durationMs: 365 * DAY,
      installedWithin: 30 * DAY,
      usageChanges: null,
      outage: null,
      work: WORK,
    }),
  )
  // The baseline is the same number of steps of an empty machine.
  const floor = year.report.steps / rate(hollowSteps())
  row(
    `${count(DEVICES)} state machines for a year, one core`,
    `${seconds(year.took)}, ${count(DEVICES / year.took)} device-years /s`,
    `${seconds(floor)}: ${count(year.report.steps)} steps of XState, empty machine`,
    year.took / floor,
    'under 600 s',
  )
  note(
    `${count(DEVICES)} state machines for a year, with simulated disks, messages, signatures and authority data: ${count(year.report.answered)} exchanges, ${count(year.report.states.authorized)} authorized at the end, ${mebibytes(process.memoryUsage().rss)}.`,
  )

  const from = 35.5 * DAY
  const storm = timed(() =>
    simulateFleet({
      seed: 1,
      devices: DEVICES,
      durationMs: 37 * DAY,
      installedWithin: 30 * DAY,
      usageChanges: { every: 4 * HOUR, from: from - 6 * HOUR },
      outage: { from, until: from + OUTAGE * HOUR },
      work: WORK,
    }),
  )
  const { arrivals, waiting, recoveredAfter, sentAway } = storm.report.recovery
  const peak = Math.max(...arrivals)
  const mean = arrivals.reduce((sum, requests) => sum + requests, 0) / arrivals.length
  row(
    `requests after an outage of ${OUTAGE} h, ${count(DEVICES)} devices`,
    `${peak} in the busiest second`,
    `${mean.toFixed(1)} /s on average`,
    peak / mean,
    '',
  )
  row(
    'until all devices have recovered',
    `${(recoveredAfter / HOUR).toFixed(2)} h`,
    '4 h, the longest wait between two attempts',
    recoveredAfter / (4 * HOUR),
    'about 1',
  )
  note(
    `When the outage ended, ${count(waiting)} devices were waiting for a retry. Each device changes its usage every four hours on average. Afterwards, ${count(sentAway)} requests were rejected with Retry-After, and ${storm.report.expired} authorizations expired. The simulated authority answers ${count(1000 / WORK.answer)} exchanges per second, as one process does on new connections.`,
  )
  writeFileSync(
    new URL('../../docs/fleet-outage.svg', import.meta.url),
    drawArrivals(arrivals, {
      title: `${count(DEVICES)} devices after an outage of ${OUTAGE} hours`,
      capacity: 1000 / WORK.answer,
    }),
  )
}
