import { SECOND } from '../../core/time.ts'
import { systemClock } from '../../core/system-clock.ts'

/** Interval of the checks of statements that wait for the database. */
const INTERVAL_MS = SECOND
/** Time without a byte from the database after which the watch asks whether it still works on the statement. */
const SUSPICION_MS = 3 * SECOND
/** Number of answers, one after the other, after which a statement is lost. Its result may be on its way at the first. */
const MAX_DENIALS = 2

/** A statement that waits for the database. */
export interface PendingStatement {
  /** The server process of the transaction, or null if it is not known yet. */
  readonly backend: number | null
  /** Time without a byte after which the connection ends in any case, in milliseconds. */
  readonly maxSilenceMs: number
  readonly countReceivedBytes: () => number
  /** Ends the connection. */
  readonly end: () => void
}

interface Watched {
  readonly statement: PendingStatement
  received: number
  since: number
  denials: number
}

/**
 * Ends connections that fall silent: a network that drops their packets, or a server that is gone without a word. The
 * system would report neither for many minutes. A statement that only takes long is not ended, because the watch asks the
 * database over a new connection which statements it works on.
 */
export class SilenceWatch {
  readonly #listWorking: (backends: readonly number[]) => Promise<ReadonlySet<number>>
  readonly #watched = new Set<Watched>()
  #timer: NodeJS.Timeout | undefined
  #isAsking = false

  /** @param listWorking returns the given server processes that work on a statement */
  constructor(listWorking: (backends: readonly number[]) => Promise<ReadonlySet<number>>) {
    this.#listWorking = listWorking
  }

  /** Watches a statement. @returns a function that ends the watch */
  add(statement: PendingStatement): () => void {
    const watched = {
      statement,
      received: statement.countReceivedBytes(),
      since: systemClock.uptime(),
      denials: 0,
    }
    this.#watched.add(watched)
    this.#timer ??= setInterval(() => {
      // After a busy time, timers run before the sockets are read.
      setImmediate(() => {
        this.#check()
      })
    }, INTERVAL_MS).unref()
    return () => {
      this.#watched.delete(watched)
      if (this.#watched.size > 0) return
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }

  #check(): void {
    const now = systemClock.uptime()
    const suspects: Watched[] = []
    for (const watched of this.#watched) {
      const { statement } = watched
      const received = statement.countReceivedBytes()
      if (received !== watched.received) Object.assign(watched, { received, since: now, denials: 0 })
      const silenceMs = now - watched.since
      if (silenceMs >= statement.maxSilenceMs) statement.end()
      else if (silenceMs >= SUSPICION_MS && statement.backend !== null) suspects.push(watched)
    }
    if (suspects.length > 0) void this.#ask(suspects)
  }

  /** Ends the suspects on whose statements the database does not work. */
  async #ask(suspects: readonly Watched[]): Promise<void> {
    if (this.#isAsking) return
    this.#isAsking = true
    try {
      const working = await this.#listWorking(suspects.flatMap(({ statement }) => statement.backend ?? []))
      for (const watched of suspects) {
        const { statement, received } = watched
        const isAlive = working.has(statement.backend ?? 0) || statement.countReceivedBytes() !== received
        watched.denials = isAlive ? 0 : watched.denials + 1
        if (watched.denials >= MAX_DENIALS && this.#watched.has(watched)) statement.end()
      }
    } catch {
      // The database cannot be asked either. The silence ends with it, or at its limit.
    } finally {
      this.#isAsking = false
    }
  }
}
