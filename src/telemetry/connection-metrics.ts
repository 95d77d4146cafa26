import { Counter, Gauge, type Registry } from 'prom-client'
import { type ConnectionGuard, ENDINGS, STAGES } from '../http/connection-limiter.ts'

/** The connections of a server, as gauges and a counter that begin with the program's name. */
export function connectionMetrics(
  prefix: string,
  registry: Registry,
  guard: () => ConnectionGuard | null,
): void {
  const registers = [registry]
  new Gauge({
    name: `${prefix}_connections`,
    help: 'Connections, by what they do.',
    labelNames: ['stage'],
    registers,
    collect() {
      const counts = guard()?.counts()
      for (const stage of STAGES) this.set({ stage }, counts?.[stage] ?? 0)
    },
  })
  new Gauge({
    name: `${prefix}_connections_limit`,
    help: 'Connections at a time, at most.',
    registers,
    collect() {
      this.set(guard()?.limits.connections ?? 0)
    },
  })
  new Counter({
    name: `${prefix}_connections_ended_total`,
    help: 'Connections that were ended or not taken, by the limit that was reached.',
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset()
      const ended = guard()?.ended()
      for (const reason of ENDINGS) this.inc({ reason }, ended?.get(reason) ?? 0)
    },
  })
}
