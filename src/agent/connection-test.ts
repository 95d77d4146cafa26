import type { Failure } from '../../machines/index.ts'
import { asLicensingError, LicensingError } from '../core/errors.ts'
import { readRoots } from '../pki/chain-validation.ts'
import { anchorsOf } from '../pki/root-rotation.ts'
import { openConnection, type RoadStep } from '../transports/connection.ts'
import { startDeadline } from '../transports/deadline.ts'
import { httpsTransport } from '../transports/https.ts'
import { destinationOf, type RoadOptions } from '../transports/connection-options.ts'
import { sendHello } from './protocol-client.ts'

/** The steps of a road to an authority, in their order; the last is the authority's signature. */
const STEPS = ['name', 'connect', 'proxy', 'tls', 'authority', 'signature'] as const
export type Step = (typeof STEPS)[number]

/** How one step ended. What comes after a failed one is not tried. */
export interface StepReport {
  readonly step: Step
  readonly outcome: 'ok' | 'failed' | 'not-tried' | 'not-needed'
  /** What was found; null where nothing was. */
  readonly found: string | null
  readonly failure: Failure | null
}

export interface RoadReport {
  readonly ok: boolean
  readonly steps: readonly StepReport[]
  /** Where it breaks; null when it does not. */
  readonly failure: Failure | null
}

/** Milliseconds for the walk up to TLS. */
const PATIENCE = 30_000

/** Walks a road step by step, up to the authority's signature, and says where it breaks. Registers nothing. */
export async function walkRoad(
  road: RoadOptions,
  by: {
    anchor: string
    authorityId: string | null
    onStep: (step: StepReport) => void
    /** Breaks the walk off: nothing is opened from then on. */
    signal: AbortSignal
  },
): Promise<RoadReport> {
  const steps: StepReport[] = []
  const add = (step: Step, rest: Omit<StepReport, 'step'>) => {
    const report = { step, ...rest }
    steps.push(report)
    by.onStep(report)
  }
  const done = (step: Step, found: string) => {
    if (step === 'tls' && !road.proxy) add('proxy', { outcome: 'not-needed', found: null, failure: null })
    add(step, { outcome: 'ok', found, failure: null })
  }
  try {
    await connect(road, by.signal, done)
    await greet(road, by, done)
    return { ok: true, steps, failure: null }
  } catch (thrown) {
    const failure = asLicensingError(thrown).toJSON()
    for (const step of STEPS.slice(steps.length)) {
      if (step === 'proxy' && !road.proxy) add(step, { outcome: 'not-needed', found: null, failure: null })
      else if (steps.some(({ outcome }) => outcome === 'failed'))
        add(step, { outcome: 'not-tried', found: null, failure: null })
      else add(step, { outcome: 'failed', found: null, failure })
    }
    return { ok: false, steps, failure }
  }
}

const brokenOff = () =>
  new LicensingError('AGENT_CLOSED', 'The walk was broken off.', { remedy: 'Try it again.' })

async function connect(
  road: RoadOptions,
  signal: AbortSignal,
  done: (step: RoadStep, found: string) => void,
): Promise<void> {
  const deadline = startDeadline(road.deadline ?? PATIENCE)
  try {
    if (signal.aborted) throw brokenOff()
    const socket = await openConnection(destinationOf(road), AbortSignal.any([deadline.signal, signal]), done)
    socket.destroy()
  } finally {
    deadline.stop()
  }
}

/** Whatever answers in the form of an authority is one, until its signature is looked at. */
async function greet(
  road: RoadOptions,
  by: { anchor: string; authorityId: string | null; signal: AbortSignal },
  done: (step: Step, found: string) => void,
): Promise<void> {
  if (by.signal.aborted) throw brokenOff()
  const transport = httpsTransport(road)
  const stop = () => {
    transport.close({ now: true })
  }
  by.signal.addEventListener('abort', stop)
  try {
    const { authority, time } = await sendHello(
      { transport, roots: readRoots(by.anchor), anchors: anchorsOf(by.anchor) },
      by.authorityId,
    ).catch((thrown: unknown) => {
      if (thrown instanceof LicensingError && thrown.kind === 'answer' && thrown.code !== 'ANSWER_MALFORMED')
        done('authority', 'it answers')
      throw thrown
    })
    done('authority', `${authority.role} ${authority.id}${authority.test ? ', a TEST authority' : ''}`)
    done('signature', `good, at ${time} by its clock`)
  } finally {
    by.signal.removeEventListener('abort', stop)
    transport.close()
  }
}
