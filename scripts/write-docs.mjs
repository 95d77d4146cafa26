// Writes the pages generated from the code: `npm run docs`. With --check, writes nothing and fails if a page is out of date.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { format, resolveConfig } from 'prettier'
import { z } from 'zod'
import {
  defaultPeriods,
  listStateDescriptions,
  toMermaid,
  RETRY_DELAYS_MS,
  satelliteSyncMachine,
  MIN_RETRY_DELAY_MS,
  agentMachine,
  exportConfig,
} from '../dist/machines/index.js'
import { describeEvent, eventCatalog } from '../dist/src/agent/event-catalog.js'
import { faultCatalog } from '../dist/mocks/index.js'
import { resolveDeadlines } from '../dist/src/transports/connection.js'
import { formatSupportCases } from './support-cases.mjs'
import { renderChartSvg } from '../dist/src/diagrams/chart-svg.js'
import { drawMachine } from '../dist/src/diagrams/inside-layout.js'
import { layoutChart } from '../dist/src/diagrams/layout.js'
import { renderApiReference } from './api-reference.mjs'
import { errorTable, libraryRemedies, resources } from '../dist/src/core/errors.js'
import { arrivals, busiestSecond, createRandom, draw, histogram } from './arrivals.mjs'
import {
  answerSchema,
  helloRequestSchema,
  requestSchema,
  signedMessageSchema,
} from '../dist/src/protocol/messages.js'

const formatTable = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
const generated = 'This page is generated from the code by `npm run docs`.'

const kinds = {
  usage: ['Usage errors', 'Exit code 2. Nothing was attempted.'],
  refusal: ['Refusals', 'Exit code 1. Final: the same request gets the same answer.'],
  transport: [
    'Transport errors',
    'Exit code 1. No valid answer arrived. The agent retries the request automatically.',
  ],
  answer: [
    'Rejected answers',
    'Exit code 1. An answer arrived that is not from the authority or not for this request. The answer changes nothing, and the agent retries the request.',
  ],
  local: ['Local errors', 'Exit code 1.'],
}

const errors = [
  '# Errors',
  'Both programs, the library and the authority’s answers use only these codes. A code is stable. The message says what failed and why, and the remedy says what to do. Programs print the remedy that names commands. An error that the library throws has the remedy after “In a product”, if there is one. With `--json`, a failure is one line on standard error: `{"error":{"code","message","remedy"}}`.',
  generated,
  ...Object.entries(kinds).flatMap(([kind, [title, text]]) => [
    `## ${title}`,
    text,
    formatTable(
      ['code', 'meaning', 'what to do'],
      Object.entries(errorTable)
        .filter(([, entry]) => entry.kind === kind)
        .map(([code, { meaning, remedy }]) => [
          `\`${code}\``,
          meaning,
          libraryRemedies[code] ? `${remedy} In a product: ${libraryRemedies[code]}` : remedy,
        ]),
    ),
  ]),
  '## Resources',
  'Values of the field `resource`, which `NOT_FOUND` and `ALREADY_EXISTS` carry in addition to `code`, `message` and `remedy`.',
  formatTable(
    ['resource', 'command that lists what exists'],
    Object.entries(resources).map(([resource, command]) => [
      `\`${resource}\``,
      command === null ? 'none' : `\`${command}\``,
    ]),
  ),
]

const SEVERITY_NAMES = { 3: 'error', 4: 'warning', 5: 'notice', 6: 'informational' }
const events = [
  '# Events',
  'Notices that the agent writes to its log as `%SMART_LIC-<severity>-<name>: <text>`, and keeps in its history (`smart-agent events`). The names are those of Cisco Smart Licensing.',
  generated,
  formatTable(
    ['event', 'severity', 'text'],
    Object.entries(eventCatalog).map(([name, { severity, text }]) => [
      `\`${name}\``,
      `${severity} ${SEVERITY_NAMES[severity]}`,
      text,
    ]),
  ),
]

const formatDiagram = (options, machine = agentMachine) =>
  `\`\`\`mermaid\n${toMermaid(machine, options)}\`\`\``
const formatRegion = (key, title, text, machine = agentMachine) => [
  `## ${title}`,
  text,
  formatDiagram({ region: key }, machine),
  formatTable(
    ['state', 'meaning'],
    listStateDescriptions(machine)
      .filter(({ path }) => path.startsWith(`${key}.`))
      .map(({ path, meaning }) => [`\`${path.slice(key.length + 1)}\``, meaning]),
  ),
]
const statecharts = [
  '# Statecharts',
  'The agent is one state machine with four parallel regions: registration, license, reservation, and connection. The states of the license region are the seven states of the Status document. Every event carries its time. `clock.tick` means that time has passed. `registration.ended` is raised by the machine itself: the registration region raises it, and the license region follows. Events such as `register.accepted` report the outcome of a request. [Decision 0002](decisions/0002-three-axes.md) explains why the regions are parallel.',
  generated,
  'Diagrams: [the agent](statechart.svg), [the synchronization of a satellite](satellite-sync.svg). A dot with an arrow marks an initial state. An arrow from a compound state applies in all of its child states. `smart-agent machine --format svg` draws the agent and highlights the current states of a device.',
  '## The license region at a glance',
  formatDiagram({ region: 'license', depth: 1, labels: true }),
  ...formatRegion(
    'registration',
    'Registration',
    'The registration of the device as a product instance, and pending requests to create, renew or end it.',
  ),
  ...formatRegion(
    'license',
    'License',
    'The functionality of the product and the status of its authorization.',
  ),
  ...formatRegion(
    'reservation',
    'Reservation',
    'Licenses that are reserved for this device by codes and files, without a connection.',
  ),
  ...formatRegion(
    'connection',
    'Connection',
    'The outcome of the last exchange. `COMM_FAILED` and `COMM_RESTORED` are reported once per outage.',
  ),
  '# The synchronization of a satellite',
  'A separate state machine with three parallel regions: the status of the satellite at its manager, the pending exchange, and the credential for online synchronization. The events `answered`, `refused` and `unreachable` report the outcome of an exchange, online or offline.',
  ...formatRegion('status', 'Status', 'The licenses that the satellite may grant.', satelliteSyncMachine),
  ...formatRegion('exchange', 'Exchange', 'The pending exchange with the manager.', satelliteSyncMachine),
  ...formatRegion(
    'credential',
    'Credential',
    'The permission to synchronize online, renewed by every exchange.',
    satelliteSyncMachine,
  ),
]

const layers = {
  answer: [
    'Answers',
    'Faults of the authority, or of a host that answers in its place. Inject them with `createTestBed`, MSW, `serve --chaos`, the fault API, or `smart-licensing-lab`.',
  ],
  name: [
    'Names',
    'Faults of name resolution. They need an agent that resolves names in the test: `createTestBed`, or the option `lookup` of `SmartAgent.open`. Behind a proxy, which resolves the name itself, `dns-unknown` and `dns-silence` are reported as `PROXY_BAD_GATEWAY`.',
  ],
  connection: [
    'Connections',
    'Faults of the connection to the authority. They need real sockets: `createTestBed`, `listen()` and `setConnectionFault()` of `createMockAuthority`, or `smart-licensing-lab`. Behind a proxy, `refused` is reported as `PROXY_BAD_GATEWAY`, and `tls-plain-text` as `PROXY_FAILED`.',
  ],
  proxy: ['Proxies', 'Faults of a proxy between the device and the authority.'],
}
const deadlines = resolveDeadlines()
const getMeaning = (code) => (code === null ? 'nothing' : errorTable[code].meaning)
const faults = [
  '# Faults',
  'Faults between a device and its authority, with their names. After any fault, the device keeps its state, retries after a stored delay that `status` shows, and recovers with the next valid answer. “Reported after” names the time limit that ends a silence; with a virtual clock it costs no real time. For their use, see [testing](testing.md).',
  generated,
  ...Object.entries(layers).flatMap(([layer, [title, text]]) => [
    `## ${title}`,
    text,
    formatTable(
      [
        'fault',
        'meaning',
        'after the authority’s decision',
        'error code of the agent',
        'reported after',
        'message',
      ],
      Object.entries(faultCatalog)
        .filter(([, fault]) => fault.layer === layer)
        .map(([name, { meaning, afterDecision: isAfterDecision, code, endedBy }]) => [
          `\`${name}\``,
          meaning,
          isAfterDecision ? 'yes' : 'no',
          code === null ? '' : `\`${code}\``,
          code === null
            ? ''
            : endedBy === null
              ? 'at once'
              : `${deadlines[endedBy] / 1000} s (\`${endedBy}\`)`,
          getMeaning(code),
        ]),
    ),
  ]),
]

const supportCases = [
  '# Support cases',
  'The commonest causes of a call to support, each as a test of a product. They use [`createTestBed`](testing.md), its matchers, and these lines:',
  `\`\`\`ts
import { createTestBed, licensingMatchers } from 'smart-licensing-agent/testing'

expect.extend(licensingMatchers)
const profile = defineProfile({ name: 'router', tags: [{ tag: 'GBIT' }] })
const licenses = { GBIT: 10 }
const proxy = { username: 'device', password: 'spring' }
\`\`\``,
  'This page is generated by `npm run docs` from `test/mocks/support-cases.test.ts`, which runs it.',
  ...formatSupportCases(),
]

const MINUTE = 60_000
const formatWait = (ms) =>
  ms < MINUTE ? `${ms / 1000} s` : ms < 60 * MINUTE ? `${ms / MINUTE} min` : `${ms / MINUTE / 60} h`
const formatOutage = (minutes, slot, slots) => {
  const instants = arrivals(10_000, minutes * MINUTE, createRandom(1))
  return [
    `\`\`\`text\n${draw(histogram(instants, slot * MINUTE, slots), slot * MINUTE)}\n\`\`\``,
    `At most ${busiestSecond(instants)} of them reconnect within one second. Without the jitter, all ${busiestSecond(arrivals(10_000, minutes * MINUTE, createRandom(1), { jittered: false }))} would.`,
  ]
}
const retries = [
  '# Retries',
  'The agent repeats an unanswered request as the same message until it is answered. A refusal is an answer, so the agent does not retry a refused request. The delays are defined in `machines/deadlines.ts`, and apply to registration, authorization and renewal.',
  generated,
  formatTable(
    ['after failure', 'wait'],
    RETRY_DELAYS_MS.map((wait, i) => [
      i === RETRY_DELAYS_MS.length - 1 ? `${i + 1} and later` : String(i + 1),
      `${formatWait(MIN_RETRY_DELAY_MS)} to ${formatWait(wait)}`,
    ]),
  ),
  `The agent draws the delay at random from that range once, and stores the instant of the next attempt, shown as \`nextAttemptAt\`. A restart continues the schedule. \`Retry-After\` delays the attempt by the given time and up to a tenth more, but by at most ${formatWait(defaultPeriods.maxRetryAfter)}, because the header is not signed. No delay goes beyond the deadline of an authorization or the expiry of a certificate. After an answered exchange, all pending retries are due immediately.`,
  '## Ten thousand devices after an outage',
  'After an outage of six hours, the next attempts of the devices per quarter of an hour (`node scripts/arrivals.mjs`):',
  ...formatOutage(360, 15, 17),
  'After an outage of ten minutes, per minute:',
  ...formatOutage(10, 1, 15),
]

const toJsonSchema = (type) => z.toJSONSchema(type, { io: 'input' })
const protocol = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Messages between agent and authority, version 1',
  description: 'A message is sent signed. Its decoded payload is a request or an answer. See protocol.md.',
  $defs: {
    sealed: toJsonSchema(signedMessageSchema),
    ...Object.fromEntries(
      [
        ['request', [...requestSchema.options, helloRequestSchema]],
        ['answer', answerSchema.options],
      ].flatMap(([direction, options]) =>
        options.map((option) => [`${option.shape.type.value}-${direction}`, toJsonSchema(option)]),
      ),
    ),
  },
}
for (const definition of Object.values(protocol.$defs)) delete definition.$schema

const renderSvg = async (machine) => renderChartSvg(await layoutChart(machine), { standalone: true })

const pages = {
  'docs/errors.md': errors.join('\n\n'),
  'docs/events.md': events.join('\n\n'),
  'docs/faults.md': faults.join('\n\n'),
  'docs/support-cases.md': supportCases.join('\n\n'),
  'docs/retries.md': retries.join('\n\n'),
  'docs/statecharts.md': statecharts.join('\n\n'),
  'docs/agent.machine.json': JSON.stringify(exportConfig(), null, 2),
  'src/inspection/machine-drawing.json': `${JSON.stringify(
    await drawMachine(agentMachine, {
      events: Object.fromEntries(agentMachine.events.map((event) => [event, describeEvent(event)])),
      notices: eventCatalog,
    }),
  )}\n`,
  'src/diagrams/agent-layout.json': JSON.stringify(await layoutChart(agentMachine)),
  'docs/statechart.svg': await renderSvg(agentMachine),
  'docs/satellite-sync.svg': await renderSvg(satelliteSyncMachine),
  'docs/protocol.schema.json': JSON.stringify(protocol, null, 2),
  ...Object.fromEntries(
    Object.entries(await renderApiReference()).map(([path, text]) => [
      path,
      `${text.trim()}\n\n${generated}\n`,
    ]),
  ),
}

mkdirSync(new URL('../docs/api/', import.meta.url), { recursive: true })
// A formatted drawing would have a line for each coordinate.
const isUnformatted = (path) => path.endsWith('.svg') || path.endsWith('machine-drawing.json')

let staleCount = 0
for (const [path, text] of Object.entries(pages)) {
  const url = new URL(`../${path}`, import.meta.url)
  const page = isUnformatted(path)
    ? text
    : await format(text, { ...(await resolveConfig(url)), filepath: path })
  if (!process.argv.includes('--check')) writeFileSync(url, page)
  else if (readOrNull(url) !== page) {
    console.error(`${path} is out of date. Run \`npm run docs\`.`)
    staleCount++
  }
}
for (const name of readdirSync(new URL('../docs/api/', import.meta.url)))
  if (pages[`docs/api/${name}`] === undefined) {
    console.error(`docs/api/${name} is not generated any more. Delete it.`)
    staleCount++
  }
process.exit(staleCount === 0 ? 0 : 1)

function readOrNull(url) {
  try {
    return readFileSync(url, 'utf8')
  } catch {
    return null
  }
}
