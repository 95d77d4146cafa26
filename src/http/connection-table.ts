import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { systemClock } from '../core/system-clock.ts'

/** Stages of a connection. `headers` is an idle connection that has started to send a request. */
export const STAGES = ['tls_handshake', 'idle', 'headers', 'body', 'response'] as const
export type Stage = (typeof STAGES)[number]
export type TrackedStage = Exclude<Stage, 'headers'>

export interface Connection {
  readonly raw: Socket
  /** TLS socket once its handshake is complete; the raw socket before. */
  socket: Socket
  stage: TrackedStage
  /** Uptime at which the stage began, in milliseconds. */
  since: number
  /** Bytes that had been received when the connection last became idle or began a response. */
  bytesBefore: number
  readonly responses: Set<ServerResponse>
}

/** Open connections of a server by socket, and by stage in the order in which they entered it. */
export class ConnectionTable {
  readonly #byName = new Map<string, Connection>()
  readonly #byStage: Readonly<Record<TrackedStage, Set<Connection>>> = {
    tls_handshake: new Set(),
    idle: new Set(),
    body: new Set(),
    response: new Set(),
  }

  get size(): number {
    const { tls_handshake, idle, body, response } = this.#byStage
    return tls_handshake.size + idle.size + body.size + response.size
  }

  add(raw: Socket, stage: TrackedStage): Connection {
    const name = toConnectionKey(raw)
    const since = systemClock.uptime()
    const connection: Connection = { raw, socket: raw, stage, since, bytesBefore: 0, responses: new Set() }
    this.#byName.set(name, connection)
    this.#byStage[stage].add(connection)
    raw.once('close', () => {
      if (this.#byName.get(name) === connection) this.#byName.delete(name)
    })
    return connection
  }

  find(socket: Socket): Connection | undefined {
    return this.#byName.get(toConnectionKey(socket))
  }

  listByStage(stage: TrackedStage): readonly Connection[] {
    return [...this.#byStage[stage]]
  }

  listAll(): readonly Connection[] {
    return Object.values(this.#byStage).flatMap((connections) => [...connections])
  }

  /** Returns the connection that has been longest in the first of the stages that has any. */
  findOldest(stages: readonly TrackedStage[]): Connection | undefined {
    for (const stage of stages) for (const connection of this.#byStage[stage]) return connection
    return undefined
  }

  /** Moves a connection to a stage, unless the connection was deleted. */
  setStage(connection: Connection, stage: TrackedStage): void {
    if (!this.#byStage[connection.stage].delete(connection)) return
    this.#byStage[stage].add(connection)
    connection.stage = stage
    connection.since = systemClock.uptime()
    if (stage !== 'body') connection.bytesBefore = connection.socket.bytesRead
  }

  /** @returns false if the connection was deleted before */
  delete(connection: Connection): boolean {
    return this.#byStage[connection.stage].delete(connection)
  }

  countByStage(): Record<Stage, number> {
    const { tls_handshake, idle, body, response } = this.#byStage
    const headers = [...idle].filter(isSendingHeaders).length
    return {
      tls_handshake: tls_handshake.size,
      idle: idle.size - headers,
      headers,
      body: body.size,
      response: response.size,
    }
  }
}

export const isSendingHeaders = ({ stage, socket, bytesBefore }: Connection): boolean =>
  stage === 'idle' && socket.bytesRead > bytesBefore

/** Returns a key that is the same for a TLS socket and the raw socket below it. */
const toConnectionKey = ({ remoteAddress, remotePort, localAddress, localPort }: Socket): string =>
  [remoteAddress, remotePort, localAddress, localPort].join(' ')
