import { Counter, Gauge, type Registry } from 'prom-client'
import { type ConnectionLimiter, DISCONNECT_REASONS } from '../http/connection-limiter.ts'
import { STAGES } from '../http/connection-table.ts'

/** Registers the connections of a server as gauges and a counter whose names begin with the program's. */
export function registerConnectionMetrics(
  prefix: string,
  registry: Registry,
  limiter: () => ConnectionLimiter | null,
): void {
  const registers = [registry]
  new Gauge({
    name: `${prefix}_connections`,
    help: 'Open connections by stage.',
    labelNames: ['stage'],
    registers,
    collect() {
      const counts = limiter()?.countByStage()
      for (const stage of STAGES) this.set({ stage }, counts?.[stage] ?? 0)
    },
  })
  new Gauge({
    name: `${prefix}_connections_limit`,
    help: 'Maximum of open connections.',
    registers,
    collect() {
      this.set(limiter()?.limits.maxConnections ?? 0)
    },
  })
  new Counter({
    name: `${prefix}_connections_ended_total`,
    help: 'Connections that the server ended or did not accept, by reason.',
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset()
      const disconnects = limiter()?.countDisconnects()
      for (const reason of DISCONNECT_REASONS) this.inc({ reason }, disconnects?.get(reason) ?? 0)
    },
  })
}
