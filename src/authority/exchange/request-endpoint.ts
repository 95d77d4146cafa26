import { toLicensingError, LicensingError } from '../../core/errors.ts'
import type { ServerLogger } from '../../core/server-logger.ts'
import { type Instant, toIsoString } from '../../core/time.ts'
import type { Credential } from '../../pki/certificate-generation.ts'
import { listRotationsAfter } from '../../pki/root-rotation.ts'
import { signMessage } from '../../pki/signed-message.ts'
import {
  HELLO_AUDIENCE,
  PROTOCOL_VERSION,
  type RequestType,
  type SignedMessage,
} from '../../protocol/messages.ts'
import type { SyncProof } from '../../protocol/sync-proof.ts'
import { TimeFloor } from '../store/time-floor.ts'
import type { AuthorityContext } from '../context/authority-context.ts'
import type { Credentials } from '../keys/credentials.ts'
import { type AuthorityObserver, type ExchangeSpan, IN_PROCESS_ORIGIN, type Origin } from '../observer.ts'
import { type IssuingLimits, readIssuingLimits } from '../satellite-sync/issuing-limits.ts'
import { type Batch, type BatchDecider, ExchangeBatcher, type DecisionOutcome } from './exchange-batcher.ts'
import { startEpochAfterRevert } from './manager-epoch.ts'
import { decideRequest } from './request-handler.ts'
import { RevertedDatabaseError } from './reverted-database.ts'
import { type AnswerParts, parseHello, collectWorkingSetKeys } from './requests.ts'
import { WorkingSet } from './working-set.ts'

/** The satellite requests that the server of a manager answers. */
export interface SatelliteRequests {
  /** Returns true if a satellite of this manager signed a proof. @throws LicensingError WRONG_ROLE */
  isKnown(proof: SyncProof): Promise<boolean>
  /**
   * Answers a synchronization request that arrived over the network. The request and the answer have the format
   * of the offline files.
   */
  respondOnline(request: string): Promise<string>
}

/** The requests that an authority answers. */
export interface RequestEndpoint {
  readonly satellites: Pick<SatelliteRequests, 'isKnown'>
  /** Rejects an exchange that cannot be answered in time, before it is read. @throws LicensingError AUTHORITY_BUSY */
  admit(type: RequestType): void
  handle(type: RequestType, message: unknown, origin: Origin): Promise<SignedMessage>
  identify(message: unknown, origin: Origin): Promise<SignedMessage>
  synchronize(request: string, origin: Origin): Promise<string>
}

/** Span of an exchange that an observer measures, with the code of the refusal or null. */
interface ObservedExchange extends Omit<ExchangeSpan, 'end'> {
  refusal: string | null
}

/** Data that the answers of one transaction share. */
interface AnswerContext {
  readonly time: Instant
  readonly signer: Credential
  readonly limits: IssuingLimits
}

/** Answers agents and satellites. Each decision is committed before its answer is sent. */
export class ExchangeEndpoint implements RequestEndpoint {
  readonly satellites: SatelliteRequests
  readonly #context: AuthorityContext
  readonly #observer: AuthorityObserver
  readonly #logger: ServerLogger
  readonly #batcher: ExchangeBatcher<AnswerContext>

  constructor(
    context: AuthorityContext,
    satellites: SatelliteRequests,
    { observer, logger }: { observer: AuthorityObserver; logger: ServerLogger },
  ) {
    this.#context = context
    this.satellites = satellites
    this.#observer = observer
    this.#logger = logger
    this.#batcher = new ExchangeBatcher(new ExchangeDecider(context), context.clock)
  }

  admit(type: RequestType): void {
    try {
      this.#batcher.admit(type)
    } catch (error) {
      const { code } = toLicensingError(error)
      this.#observer.exchange(type, IN_PROCESS_ORIGIN).end({ outcome: 'failed', code })
      throw error
    }
  }

  /**
   * Answers one request of an agent. Throws the errors that get no signed answer.
   *
   * @throws LicensingError REQUEST_MALFORMED, REQUEST_SIGNATURE_INVALID, PROTOCOL_UNSUPPORTED, STORE_*
   */
  handle(type: RequestType, message: unknown, origin: Origin = IN_PROCESS_ORIGIN): Promise<SignedMessage> {
    return this.#observe(type, origin, async (span) => {
      const { decided, context } = await this.#batcher.submit(type, message, span)
      const { decision } = decided
      span.step('seal')
      if (decision.outcome === 'refused') span.refusal = decision.code
      this.#logger.info('exchange', {
        type,
        outcome: decision.outcome,
        ...(decision.outcome === 'refused' && { code: decision.code }),
        audience: decided.audience,
        ...(origin.requestId !== null && { requestId: origin.requestId }),
        ...(span.traceId !== null && { traceId: span.traceId }),
      })
      return signAnswer(this.#context.credentials, decided, context)
    })
  }

  /**
   * Returns a signed answer that proves to any caller that the authority is reachable. Writes nothing to the
   * database.
   *
   * @throws LicensingError REQUEST_MALFORMED
   */
  identify(message: unknown, origin: Origin = IN_PROCESS_ORIGIN): Promise<SignedMessage> {
    return this.#observe('hello', origin, async () => {
      const { credentials, clock, store } = this.#context
      const request = parseHello(message)
      const context = await store.readOnly(async (tx) => {
        const time = await clock.readTime(tx)
        await credentials.keyRing.refresh(tx, time)
        const signer = await credentials.signer(tx, 'answer-signer', time)
        return { time, signer, limits: await readIssuingLimits(tx, credentials, time) }
      })
      const decision = { outcome: 'accepted' } as const
      return signAnswer(credentials, { request, audience: HELLO_AUDIENCE, decision }, context)
    })
  }

  /**
   * Answers the synchronization request of a satellite. The request and the answer have the format of the offline
   * files.
   */
  synchronize(request: string, origin: Origin): Promise<string> {
    return this.#observe('synchronize', origin, () => this.satellites.respondOnline(request))
  }

  /** Reports an exchange and its outcome to the observer. */
  async #observe<T>(
    type: Parameters<AuthorityObserver['exchange']>[0],
    origin: Origin,
    work: (span: ObservedExchange) => Promise<T>,
  ): Promise<T> {
    const observed = this.#observer.exchange(type, origin)
    if (observed.traceId !== null) origin.onTrace?.(observed.traceId)
    const span: ObservedExchange = {
      traceId: observed.traceId,
      step: (step) => {
        observed.step(step)
      },
      refusal: null,
    }
    try {
      const result = await work(span)
      observed.end({ outcome: span.refusal === null ? 'accepted' : 'refused', code: span.refusal })
      return result
    } catch (error) {
      observed.end({ outcome: 'failed', code: toLicensingError(error).code })
      throw error
    }
  }
}

/** Decides a batch of exchanges in one transaction. */
class ExchangeDecider implements BatchDecider<AnswerContext> {
  readonly #context: AuthorityContext

  constructor(context: AuthorityContext) {
    this.#context = context
  }

  async decide(batch: Batch): Promise<{ outcomes: DecisionOutcome[]; context: AnswerContext }> {
    try {
      return await this.#decide(batch)
    } catch (error) {
      if (!(error instanceof RevertedDatabaseError)) throw error
      await this.#context.withMaintenance((tx, at) =>
        startEpochAfterRevert(tx, this.#context.credentials, { at, provenEpoch: error.epoch }),
      )
      return this.#decide(batch)
    }
  }

  async #decide({
    requests,
    isUnderLoad,
    onDecided,
  }: Batch): Promise<{ outcomes: DecisionOutcome[]; context: AnswerContext }> {
    const { credentials, clock } = this.#context
    const decided = await this.#context.withMaintenance(async (tx, time) => {
      const limits = await readIssuingLimits(tx, credentials, time)
      const set = await WorkingSet.read(tx, collectWorkingSetKeys(requests), time)
      const { profile } = this.#context
      const exchange = { set, credentials, profile, limits, isUnderLoad, at: time }
      const outcomes: DecisionOutcome[] = []
      for (const request of requests) outcomes.push(await decideRequest(exchange, request).catch(toOutcome))
      await set.flush()
      const signer = await credentials.signer(tx, 'answer-signer', time)
      await TimeFloor.raise(tx, time)
      onDecided()
      return { outcomes, context: { time, signer, limits } }
    })
    clock.recordIssued(decided.context.time)
    return decided
  }
}

/**
 * Returns an error that ends one exchange without a signed answer. Throws any other error, which rolls back the
 * transaction.
 */
function toOutcome(error: unknown): LicensingError {
  if (error instanceof LicensingError && !/^(INTERNAL$|STORE_|DATABASE_)/.test(error.code)) return error
  throw error
}

function signAnswer(
  credentials: Credentials,
  { request, audience, decision }: AnswerParts,
  { time, signer, limits }: AnswerContext,
): Promise<SignedMessage> {
  const { id, role, test, epoch, trust } = credentials.keyRing.identity
  const trustBundles = listRotationsAfter(credentials.keyRing.identity.trust, request.trustBundle)
  const answer = {
    protocol: PROTOCOL_VERSION,
    direction: 'answer',
    type: request.type,
    messageId: request.messageId,
    nonce: request.nonce,
    audience,
    authority: { id, role, test },
    time: toIsoString(time),
    ...(limits.synchronizedAt !== null && { synchronizedAt: toIsoString(limits.synchronizedAt) }),
    epoch,
    trustBundle: trust.number,
    ...(trustBundles.length > 0 && { trustBundles }),
    mandate: limits.mandate,
    decision,
  }
  const { privateKey, certificates } = signer
  return signMessage(answer, { type: 'sla-answer+jws', privateKey, certificates })
}
