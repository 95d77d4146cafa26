// A fleet: many boxes for a year, everything real but time; a hundred thousand charts; and what comes after an outage.
import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { runSimulation, simulateFleet, createPlan } from '../../dist/tools/simulator/index.js'
import { hollowSteps } from './chart.mjs'
import { drawArrivals } from '../plot.mjs'
import { rate } from '../rate.mjs'
import { mebibytes, seconds } from '../table.mjs'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const BOXES = 100_000
/** What `npm run bench -- reconnect-storm` finds an exchange on a fresh connection to take one process, and a connection alone. */
const WORK = { answer: 2.6, sendAway: 0.8 }
const OUTAGE = 8

/** Where a frame belongs, by its file: the nearest one that is somebody's, from the innermost frame out. */
const rooms = [
  ['storage', /better-sqlite3|kysely|node:fs|simulation\/disk|agent\/store|authority\/(sqlite|store)/],
  ['signatures', /node:internal\/crypto|asn1|x509|\/jose\/|src\/trust\//],
  ['chart', /\/xstate\/|\/machines\//],
]
const roomOf = ({ url, functionName }) =>
  rooms.find(([, files]) => files.test(url))?.[0] ?? (url === '' && functionName === '(idle)' ? 'idle' : null)

/** Shares of the time of some work: storage, signatures, the chart, and the rest. */
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
    let room = null
    for (let id = sample; id !== undefined && room === null; id = parents.get(id))
      room = roomOf(nodes.get(id).callFrame)
    if (room === 'idle') return
    const time = profile.timeDeltas[i]
    all += time
    spent[room ?? 'the rest'] = (spent[room ?? 'the rest'] ?? 0) + time
  })
  return ['chart', 'signatures', 'storage', 'the rest']
    .map((room) => `${room} ${Math.round((100 * (spent[room] ?? 0)) / all)} %`)
    .join(', ')
}

/** Of what people do, only what licenses each box: its first registration, and its first use. */
const leftAlone = (plan) => ({
  ...plan,
  steps: plan.steps.filter(
    ({ action }, i) =>
      ['register', 'use'].includes(action.kind) &&
      i ===
        plan.steps.findIndex(
          (other) => other.action.kind === action.kind && other.action.device === action.device,
        ),
  ),
})

const timed = (work) => {
  const begun = performance.now()
  const report = work()
  return { report, took: (performance.now() - begun) / 1000 }
}
const count = (n) => Math.round(n).toLocaleString('en')

export async function fleet(row, _directory, note) {
  const busy = createPlan({ seed: 1, devices: 20, satellites: 0, days: 365, faults: 'none' })
  for (const [name, plan, lived] of [
    [
      'left alone',
      leftAlone(busy),
      'A box left alone is registered, uses something, and is licensed for a year',
    ],
    ['used by people', busy, 'Boxes used by people do what people make them do all year, and nothing fails'],
  ]) {
    await runSimulation(plan)
    const begun = performance.now()
    const { violation } = await runSimulation(plan)
    if (violation) throw new Error(violation.message)
    const real = 20 / ((performance.now() - begun) / 1000)
    row(`box-years, everything real but time, ${name}`, `${real.toFixed(1)} /s`, '', null, '100 /s')
    note(`${lived}; of that time, ${await shares(() => runSimulation(plan))}.`)
  }

  const year = timed(() =>
    simulateFleet({
      seed: 1,
      devices: BOXES,
      durationMs: 365 * DAY,
      installedWithin: 30 * DAY,
      usageChanges: null,
      outage: null,
      work: WORK,
    }),
  )
  // A step costs what a step of an empty chart of the same form costs, at least.
  const floor = year.report.steps / rate(hollowSteps())
  row(
    `${count(BOXES)} charts for a year, one core`,
    `${seconds(year.took)}, ${count(BOXES / year.took)} box-years /s`,
    `${seconds(floor)}: ${count(year.report.steps)} steps of XState, hollow chart`,
    year.took / floor,
    'under 600 s',
  )
  note(
    `${count(BOXES)} charts for a year: stand-ins for disks, messages, signatures and the books of the authority; ${count(year.report.answered)} exchanges, ${count(year.report.states.authorized)} authorized at the end, ${mebibytes(process.memoryUsage().rss)}.`,
  )

  const from = 35.5 * DAY
  const storm = timed(() =>
    simulateFleet({
      seed: 1,
      devices: BOXES,
      durationMs: 37 * DAY,
      installedWithin: 30 * DAY,
      usageChanges: { every: 4 * HOUR, from: from - 6 * HOUR },
      outage: { from, until: from + OUTAGE * HOUR },
      work: WORK,
    }),
  )
  const { arrivals, waiting, recoveredAfter, sentAway } = storm.report.recovery
  const peak = Math.max(...arrivals)
  const mean = arrivals.reduce((sum, one) => sum + one, 0) / arrivals.length
  row(
    `arrivals after ${OUTAGE} h of outage, ${count(BOXES)} boxes`,
    `${peak} in the busiest second`,
    `${mean.toFixed(1)} /s in the mean`,
    peak / mean,
    '',
  )
  row(
    'until all are right',
    `${(recoveredAfter / HOUR).toFixed(2)} h`,
    '4 h, the longest wait between two attempts',
    recoveredAfter / (4 * HOUR),
    'about 1',
  )
  note(
    `The outage: ${count(waiting)} boxes had tried in vain when it ended, each of which uses something else every four hours in the mean; ${count(sentAway)} attempts were sent away afterwards; no authorization ended (${storm.report.expired}). The authority answers ${count(1000 / WORK.answer)} exchanges a second, as one process does on fresh connections.`,
  )
  writeFileSync(
    new URL('../../docs/fleet-outage.svg', import.meta.url),
    drawArrivals(arrivals, {
      title: `${count(BOXES)} boxes after ${OUTAGE} hours without their authority`,
      capacity: 1000 / WORK.answer,
    }),
  )
}
