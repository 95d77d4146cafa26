// Writes the pages that are drawn from the code: `npm run docs`. With --check it writes nothing, and fails when a
// page is not what the code says.
import { readFileSync, writeFileSync } from 'node:fs'
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
} from '../dist/machines/index.js'
import { eventCatalog } from '../dist/src/agent/event-catalog.js'
import { faultCatalog } from '../dist/mocks/index.js'
import { renderChartSvg } from '../dist/src/diagrams/chart-svg.js'
import { layoutChart } from '../dist/src/diagrams/layout.js'
import { errorTable, resources } from '../dist/src/core/errors.js'
import { arrivals, busiestSecond, dice, draw, histogram } from './arrivals.mjs'
import {
  answerSchema,
  helloRequestSchema,
  requestSchema,
  signedMessageSchema,
} from '../dist/src/protocol/messages.js'

const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
const generated = 'This page is drawn from the code by `npm run docs`.'

const kinds = {
  usage: ['Wrong usage', 'Exit code 2. Nothing was tried.'],
  refusal: ['Refusals', 'Exit code 1. Final: asking again the same way gives the same answer.'],
  transport: [
    'On the way',
    'Exit code 1. No answer that counts came; what was under way is tried again by itself.',
  ],
  answer: [
    'Answers that are not believed',
    'Exit code 1. An answer came, and is not the authority’s or not to this request. It changes nothing, and the request is tried again.',
  ],
  local: ['On this machine', 'Exit code 1.'],
}

const errors = [
  '# Errors',
  'Both programs, the library and the authority’s answers use these codes, and no others. A code is stable; the message says what failed and why; the remedy says what to do. With `--json` a failure is one line on standard error: `{"error":{"code","message","remedy"}}`.',
  generated,
  ...Object.entries(kinds).flatMap(([kind, [title, text]]) => [
    `## ${title}`,
    text,
    table(
      ['code', 'meaning', 'what to do'],
      Object.entries(errorTable)
        .filter(([, entry]) => entry.kind === kind)
        .map(([code, { meaning, remedy }]) => [`\`${code}\``, meaning, remedy]),
    ),
  ]),
  '## Resources',
  'Values of the field `resource`, which `NOT_FOUND` and `ALREADY_EXISTS` carry beside `code`, `message` and `remedy`.',
  table(
    ['resource', 'command that lists what exists'],
    Object.entries(resources).map(([resource, command]) => [
      `\`${resource}\``,
      command === null ? 'none' : `\`${command}\``,
    ]),
  ),
]

const severities = { 3: 'error', 4: 'warning', 5: 'notice', 6: 'informational' }
const events = [
  '# Events',
  'What the agent says in its log, as `%SMART_LIC-<severity>-<name>: <text>`, and keeps in its history (`smart-agent events`). The names are the field’s.',
  generated,
  table(
    ['event', 'severity', 'text'],
    Object.entries(eventCatalog).map(([name, { severity, text }]) => [
      `\`${name}\``,
      `${severity} ${severities[severity]}`,
      text,
    ]),
  ),
]

const chart = (options, machine = agentMachine) => `\`\`\`mermaid\n${toMermaid(machine, options)}\`\`\``
const axis = (key, title, text, machine = agentMachine) => [
  `## ${title}`,
  text,
  chart({ region: key }, machine),
  table(
    ['state', 'meaning'],
    listStateDescriptions(machine)
      .filter(({ path }) => path.startsWith(`${key}.`))
      .map(({ path, meaning }) => [`\`${path.slice(key.length + 1)}\``, meaning]),
  ),
]
const statecharts = [
  '# Statecharts',
  'The agent is one statechart of three axes that stand beside each other: what the box is to the authority (registration), what it may do (license), and whether the authority can be reached (link). The states of the license axis are the seven words of the Status document. Every event carries its instant; `TICK` says that time has passed; `register.accepted` and its like are the ends of requests. Why it is drawn so: [decisions/0002-three-axes.md](decisions/0002-three-axes.md).',
  generated,
  'As pictures: [the agent](statechart.svg), [the synchronization of a satellite](satellite-sync.svg). A dot and its arrow show where a box is entered; an arrow from a box is taken wherever within it the chart stands. `smart-agent machine --format svg` draws the agent with the states lit in which a box is.',
  '## The license axis at a glance',
  chart({ region: 'license', depth: 1 }),
  ...axis(
    'registration',
    'Registration',
    'Whether the box is a product instance, and what is under way to make, renew or end that.',
  ),
  ...axis('license', 'License', 'What the product may do, and how it stands with its authorization.'),
  ...axis(
    'link',
    'Link',
    'Whether the last exchange was answered: `COMM_FAILED` and `COMM_RESTORED` are said once per outage.',
  ),
  '# The synchronization of a satellite',
  'A chart of its own, of three axes: how the satellite stands with its manager, what it is doing about it, and whether it may still do so by itself. `ANSWERED`, `REFUSED` and `UNREACHABLE` are the ends of exchanges, by wire or by hand.',
  ...axis('status', 'Standing', 'What the satellite may grant.', satelliteSyncMachine),
  ...axis('exchange', 'Exchange', 'What is under way with the manager.', satelliteSyncMachine),
  ...axis(
    'credential',
    'Credential',
    'The leave to synchronize by itself, renewed by every exchange.',
    satelliteSyncMachine,
  ),
]

const places = {
  answer: [
    'Answers',
    'An authority that is unwell, or something before it that answers in its place. By MSW, by `serve --chaos`, at the management address, or over the mock’s own road.',
  ],
  connection: [
    'Connections',
    'What stands where the authority should. They take real sockets: `listen()` and `setRoad()` of `mockAuthority`. Behind a proxy, `refused` is told as `PROXY_BAD_GATEWAY`, and `tls-plain-text` as `PROXY_FAILED`.',
  ],
  proxy: ['Proxies', 'The same, for a box that goes through a proxy.'],
}
const sees = (code) => (code === null ? 'nothing' : errorTable[code].meaning)
const faults = [
  '# Faults',
  'What can go wrong between a box and its authority, by the one name it has everywhere. Whatever happens, the box keeps its state, tries again after a wait that it stores and shows, and is well again with the next answer that is believed. How to use them: [testing](testing.md).',
  generated,
  ...Object.entries(places).flatMap(([place, [title, text]]) => [
    `## ${title}`,
    text,
    table(
      [
        'fault',
        'what happens',
        'the authority has decided',
        'the agent’s code',
        'what an administrator reads',
      ],
      Object.entries(faultCatalog)
        .filter(([, fault]) => fault.layer === place)
        .map(([name, { meaning, afterDecision: decides, code }]) => [
          `\`${name}\``,
          meaning,
          decides ? 'yes' : 'no',
          code === null ? '' : `\`${code}\``,
          sees(code),
        ]),
    ),
  ]),
]

const MINUTE = 60_000
const words = (ms) =>
  ms < MINUTE ? `${ms / 1000} s` : ms < 60 * MINUTE ? `${ms / MINUTE} min` : `${ms / MINUTE / 60} h`
const outage = (minutes, slot, slots) => {
  const instants = arrivals(10_000, minutes * MINUTE, dice(1))
  return [
    `\`\`\`text\n${draw(histogram(instants, slot * MINUTE, slots), slot * MINUTE)}\n\`\`\``,
    `At most ${busiestSecond(instants)} of them come within one second; without the jitter, all ${busiestSecond(arrivals(10_000, minutes * MINUTE, dice(1), { jittered: false }))} would.`,
  ]
}
const retries = [
  '# Retries',
  'A request that gets no answer is made again, as the same message, until it is answered. A refusal is an answer: it is final. The waits are data (`machines/deadlines.ts`), and apply to registering, authorizing and renewing alike.',
  generated,
  table(
    ['after failure', 'wait'],
    RETRY_DELAYS_MS.map((wait, i) => [
      i === RETRY_DELAYS_MS.length - 1 ? `${i + 1} and later` : String(i + 1),
      `${words(MIN_RETRY_DELAY_MS)} to ${words(wait)}`,
    ]),
  ),
  `Where in that span the next attempt falls is decided once, by a throw of the dice, stored, and shown as \`nextAttemptAt\`: a restart continues the schedule. \`Retry-After\` moves it later, by what it says and up to a tenth more, and up to ${words(defaultPeriods.maxRetryAfter)}, since it is not signed; nothing moves it past the deadline of an authorization or the end of a certificate. An exchange that is answered makes what else is waiting due at once.`,
  '## Ten thousand boxes whose authority returns',
  'After six hours, by the quarter of an hour in which each box makes its next attempt (`node scripts/arrivals.mjs`):',
  ...outage(360, 15, 17),
  'After ten minutes, by the minute:',
  ...outage(10, 1, 15),
]

const schema = (type) => z.toJSONSchema(type, { io: 'input' })
const protocol = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Messages between agent and authority, version 1',
  description:
    'A message travels sealed; its payload, once opened, is a request or an answer. See protocol.md.',
  $defs: {
    sealed: schema(signedMessageSchema),
    ...Object.fromEntries(
      [
        ['request', [...requestSchema.options, helloRequestSchema]],
        ['answer', answerSchema.options],
      ].flatMap(([direction, options]) =>
        options.map((option) => [`${option.shape.type.value}-${direction}`, schema(option)]),
      ),
    ),
  },
}
for (const one of Object.values(protocol.$defs)) delete one.$schema

const picture = async (machine) => renderChartSvg(await layoutChart(machine), { standalone: true })

const pages = {
  'docs/errors.md': errors.join('\n\n'),
  'docs/events.md': events.join('\n\n'),
  'docs/faults.md': faults.join('\n\n'),
  'docs/retries.md': retries.join('\n\n'),
  'docs/statecharts.md': statecharts.join('\n\n'),
  'docs/statechart.svg': await picture(agentMachine),
  'docs/satellite-sync.svg': await picture(satelliteSyncMachine),
  'docs/protocol.schema.json': JSON.stringify(protocol, null, 2),
}

let stale = 0
for (const [path, text] of Object.entries(pages)) {
  const url = new URL(`../${path}`, import.meta.url)
  const page = path.endsWith('.svg')
    ? text
    : await format(text, { ...(await resolveConfig(url)), filepath: path })
  if (!process.argv.includes('--check')) writeFileSync(url, page)
  else if (readOrNothing(url) !== page) {
    console.error(`${path} is not what the code says: run \`npm run docs\`.`)
    stale++
  }
}
process.exit(stale === 0 ? 0 : 1)

function readOrNothing(url) {
  try {
    return readFileSync(url, 'utf8')
  } catch {
    return null
  }
}
