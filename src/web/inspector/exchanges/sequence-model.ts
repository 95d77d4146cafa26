import type { Exchange } from '../source.ts'
import { formatMilliseconds } from '../../../inspection/utc-time.ts'

type Step = Exchange['steps'][number]
export type LaneId = 'device' | 'proxy' | 'server' | 'manager'

/** Party of an exchange, as a column of the drawing. */
export interface Lane {
  readonly id: LaneId
  readonly name: string
  readonly address: string
}

/** Row of the drawing: one step, or the synchronization of the satellite. */
export interface SequenceRow {
  readonly key: string
  /** Time since the exchange began, at the end of the step. Empty for what did not happen. */
  readonly time: string
  /** Duration of the step, at the right of its arrow. */
  readonly duration: string
  readonly name: string
  readonly found: string
  /** Positions of the ends among the lanes. Equal for a step inside one lane. */
  readonly from: number
  readonly to: number
  readonly kind: 'point' | 'there' | 'both' | 'back' | 'not-sent' | 'broken' | 'synchronization'
  /** Position of the break between two lanes. Null for other rows. */
  readonly breakAt: number | null
}

const KINDS: Readonly<Record<string, string>> = {
  register: 'Register',
  authorize: 'Authorize',
  renew: 'Renew',
  acknowledge: 'Acknowledge',
  deregister: 'Deregister',
}
export const getKindName = (kind: string): string => KINDS[kind] ?? kind

/** Lists the parties, from the device on. A satellite answers by itself, and its manager stands behind it. */
export function listLanes({ route }: Exchange, device: string): Lane[] {
  const isSatellite = route.role === 'satellite'
  return [
    { id: 'device', name: 'Device', address: device },
    ...(route.proxy === null ? [] : [{ id: 'proxy' as const, name: 'Proxy', address: route.proxy }]),
    { id: 'server', name: isSatellite ? 'Satellite' : 'License server', address: route.server },
    ...(isSatellite ? [{ id: 'manager' as const, name: 'License server', address: 'of the satellite' }] : []),
  ]
}

const NAMES: Readonly<Record<Step['step'], string>> = {
  name: 'Name',
  connect: 'Connected',
  proxy: 'Tunnel opened',
  tls: 'TLS',
  request: 'Request',
  answer: 'Answer',
}
const FAILED: Readonly<Record<Step['step'], string>> = {
  name: 'Name not found',
  connect: 'Not connected',
  proxy: 'Tunnel refused',
  tls: 'TLS refused',
  request: 'Not sent',
  answer: 'No answer',
}

/** Converts an exchange to the rows of its drawing. */
export function listRows(exchange: Exchange, lanes: readonly Lane[]): SequenceRow[] {
  const steps = exchange.steps.filter(({ outcome }) => outcome !== 'not-needed')
  const broken = steps.findIndex(({ outcome }) => outcome === 'failed')
  const done = broken === -1 ? steps : steps.slice(0, broken + 1)
  const rows = done.map((step) => createRow(step, exchange, lanes))
  const isUnsent =
    broken !== -1 && exchange.steps[broken]?.step !== 'answer' && exchange.steps[broken]?.step !== 'request'
  const server = lanes.findIndex(({ id }) => id === 'server')
  if (isUnsent)
    rows.push({
      key: 'not-sent',
      time: '',
      duration: '',
      name: getKindName(exchange.kind),
      found: 'not sent',
      from: 0,
      to: server,
      kind: 'not-sent',
      breakAt: null,
    })
  if (exchange.route.role === 'satellite' && exchange.outcome !== 'unreachable')
    rows.push({
      key: 'synchronization',
      time: '',
      duration: '',
      name: 'Synchronization',
      found: '',
      from: server,
      to: lanes.length - 1,
      kind: 'synchronization',
      breakAt: null,
    })
  return rows
}

function createRow(step: Step, exchange: Exchange, lanes: readonly Lane[]): SequenceRow {
  const { from, to } = findEnds(step.step, lanes)
  const isBroken = step.outcome === 'failed'
  const end = step.startedAt + step.duration
  return {
    key: step.step,
    time: step.step === 'request' && !isBroken ? '' : formatMilliseconds(end),
    duration: from === to || step.duration === 0 ? '' : formatMilliseconds(step.duration),
    ...nameStep(step, exchange),
    from,
    to,
    kind: isBroken ? 'broken' : getRowKind(step.step),
    breakAt: isBroken ? findBreak(step.step, exchange, from, to) : null,
  }
}

function findEnds(step: Step['step'], lanes: readonly Lane[]): { from: number; to: number } {
  const proxy = lanes.findIndex(({ id }) => id === 'proxy')
  const server = lanes.findIndex(({ id }) => id === 'server')
  switch (step) {
    case 'name':
      return { from: 0, to: 0 }
    case 'connect':
      return { from: 0, to: proxy === -1 ? server : proxy }
    case 'proxy':
      return { from: Math.max(0, proxy), to: server }
    default:
      return { from: 0, to: server }
  }
}

const getRowKind = (step: Step['step']): SequenceRow['kind'] =>
  step === 'name' ? 'point' : step === 'tls' ? 'both' : step === 'answer' ? 'back' : 'there'

/**
 * Returns where an exchange broke: in the lane of the device for a name, else between the last two lanes that it
 * reached. An inspected connection breaks before the server, whose certificate was replaced on the way.
 */
function findBreak(step: Step['step'], exchange: Exchange, from: number, to: number): number {
  if (step === 'name') return from
  // Behind a proxy, what follows the tunnel breaks between the proxy and the server.
  return exchange.route.proxy === null || step === 'connect' ? (from + to) / 2 : to - 0.5
}

function nameStep(step: Step, exchange: Exchange): { name: string; found: string } {
  const found = step.found ?? ''
  const kind = getKindName(exchange.kind)
  if (step.outcome === 'failed') return { name: FAILED[step.step], found: found || (exchange.code ?? '') }
  switch (step.step) {
    case 'name':
      return { name: 'Name:', found: /^$|is an IP address$/.test(found) ? 'given as an address' : found }
    case 'connect':
      return { name: NAMES.connect, found }
    case 'proxy':
      return { name: NAMES.proxy, found: 'CONNECT' }
    case 'tls': {
      const [protocol = NAMES.tls, ...rest] = found.split(', ')
      return { name: (protocol || NAMES.tls).replace(/^TLSv/, 'TLS '), found: rest.join(', ') }
    }
    case 'request':
      return { name: found === '' ? kind : `${kind}:`, found }
    case 'answer':
      return exchange.outcome === 'refused'
        ? { name: 'Refused:', found: exchange.message ?? found }
        : { name: 'Answer:', found: found || 'accepted; the signature is good' }
  }
}

const PLACES: Readonly<Record<Step['step'], string>> = {
  name: 'at the name',
  connect: 'at the connection',
  proxy: 'at the proxy',
  tls: 'at TLS',
  request: 'at the request',
  answer: 'at the answer',
}

/** Says how an exchange went, as in `Authorize failed at TLS, after 13 ms`. */
export function describeExchange(exchange: Exchange): string {
  const { kind, outcome, duration, steps } = exchange
  const name = getKindName(kind)
  const took = formatMilliseconds(duration)
  if (outcome === 'accepted') return `${name} was answered in ${took}`
  if (outcome === 'refused') return `${name} was refused in ${took}`
  const failed = steps.find((step) => step.outcome === 'failed')
  return `${name} failed${failed ? ` ${PLACES[failed.step]}` : ''}, after ${took}`
}

/** Returns the two exchanges that are shown at first: the last that failed, and the last that was answered. */
export function chooseExchanges(exchanges: readonly Exchange[]): number[] {
  const failed = exchanges.find(({ outcome }) => outcome !== 'accepted')
  const answered = exchanges.find(({ outcome }) => outcome === 'accepted')
  return [failed, answered].flatMap((exchange) => (exchange ? [exchange.id] : []))
}

/** Adds an exchange to the selected ones, or removes it. At most two are selected, and one always is. */
export function toggleExchange(selected: readonly number[], id: number): number[] {
  if (!selected.includes(id)) return [...selected, id].slice(-2)
  const others = selected.filter((other) => other !== id)
  return others.length === 0 ? [id] : others
}
