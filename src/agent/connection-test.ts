import type { Failure } from '../../machines/index.ts'
import { toLicensingError, LicensingError } from '../core/errors.ts'
import { parseRoots } from '../pki/chain-validation.ts'
import { parseTrustAnchors } from '../pki/root-rotation.ts'
import { openConnection, resolveDeadlines, type ConnectStep } from '../transports/connection.ts'
import { startDeadline } from '../transports/deadline.ts'
import { createHttpsTransport } from '../transports/https.ts'
import { toDestination, type ConnectionOptions } from '../transports/connection-options.ts'
import { sendHello } from './protocol-client.ts'

/** Steps of a connection test, in order. The last step checks the authority's signature. */
const CONNECTION_TEST_STEPS = ['name', 'connect', 'proxy', 'tls', 'authority', 'signature'] as const
export type ConnectionTestStepName = (typeof CONNECTION_TEST_STEPS)[number]

/** Result of one step. Steps after a failed step are not tried. */
export interface ConnectionTestStep {
  readonly step: ConnectionTestStepName
  readonly outcome: 'ok' | 'failed' | 'not-tried' | 'not-needed'
  /** Details of a successful step. Null otherwise. */
  readonly found: string | null
  readonly failure: Failure | null
}

export interface ConnectionTestReport {
  readonly ok: boolean
  readonly steps: readonly ConnectionTestStep[]
  /** Failure of the first failed step. Null when all steps succeeded. */
  readonly failure: Failure | null
}

/** Tests a connection step by step, up to the authority's signature. Registers nothing. */
export async function testConnection(
  options: ConnectionOptions,
  by: {
    anchor: string
    authorityId: string | null
    onStep: (step: ConnectionTestStep) => void
    /** Aborts the test. */
    signal: AbortSignal
  },
): Promise<ConnectionTestReport> {
  const steps: ConnectionTestStep[] = []
  const add = (step: ConnectionTestStepName, rest: Omit<ConnectionTestStep, 'step'>) => {
    const report = { step, ...rest }
    steps.push(report)
    by.onStep(report)
  }
  const done = (step: ConnectionTestStepName, found: string) => {
    if (step === 'tls' && !options.proxy) add('proxy', { outcome: 'not-needed', found: null, failure: null })
    add(step, { outcome: 'ok', found, failure: null })
  }
  try {
    await connect(options, by.signal, done)
    await checkAuthority(options, by, done)
    return { ok: true, steps, failure: null }
  } catch (error) {
    const failure = toLicensingError(error).toJSON()
    for (const step of CONNECTION_TEST_STEPS.slice(steps.length)) {
      if (step === 'proxy' && !options.proxy) add(step, { outcome: 'not-needed', found: null, failure: null })
      else if (steps.some(({ outcome }) => outcome === 'failed'))
        add(step, { outcome: 'not-tried', found: null, failure: null })
      else add(step, { outcome: 'failed', found: null, failure })
    }
    return { ok: false, steps, failure }
  }
}

const abortedError = () =>
  new LicensingError('AGENT_CLOSED', 'The connection test was aborted.', { remedy: 'Run the test again.' })

async function connect(
  options: ConnectionOptions,
  signal: AbortSignal,
  done: (step: ConnectStep, found: string) => void,
): Promise<void> {
  const deadline = startDeadline(resolveDeadlines(options.deadlines).total, options.clock)
  try {
    if (signal.aborted) throw abortedError()
    const socket = await openConnection(
      toDestination(options),
      AbortSignal.any([deadline.signal, signal]),
      done,
    )
    socket.destroy()
  } finally {
    deadline.stop()
  }
}

/** Sends a hello request. A well-formed answer passes the step `authority`, a verified one also `signature`. */
async function checkAuthority(
  options: ConnectionOptions,
  by: { anchor: string; authorityId: string | null; signal: AbortSignal },
  done: (step: ConnectionTestStepName, found: string) => void,
): Promise<void> {
  if (by.signal.aborted) throw abortedError()
  const transport = createHttpsTransport(options)
  const stop = () => {
    transport.close({ now: true })
  }
  by.signal.addEventListener('abort', stop)
  try {
    const { authority, time } = await sendHello(
      { transport, roots: parseRoots(by.anchor), anchors: parseTrustAnchors(by.anchor) },
      by.authorityId,
    ).catch((error: unknown) => {
      if (error instanceof LicensingError && error.kind === 'answer' && error.code !== 'ANSWER_MALFORMED')
        done('authority', 'the authority answers')
      throw error
    })
    done('authority', `${authority.role} ${authority.id}${authority.test ? ', a TEST authority' : ''}`)
    done('signature', `valid, authority time ${time}`)
  } finally {
    by.signal.removeEventListener('abort', stop)
    transport.close()
  }
}
