import { Gauge, Registry } from 'prom-client'
import { errorTable } from '../core/errors.ts'
import { VERSION } from '../core/version.ts'
import { collectProcessMetrics } from './process-metrics.ts'

/**
 * Creates a registry with the metrics of both programs: process, version, and readiness.
 *
 * @returns the registry, and a function that stops the observers of the process
 */
export function createRegistry(
  prefix: string,
  notReadyReasons: () => Promise<readonly string[]>,
): { registry: Registry; stop: () => void } {
  const registry = new Registry()
  const registers = [registry]
  const stop = collectProcessMetrics(registry)
  new Gauge({
    name: `${prefix}_build_info`,
    help: 'Version of the program; always 1.',
    labelNames: ['version'],
    registers,
  }).set({ version: VERSION }, 1)
  new Gauge({
    name: `${prefix}_ready`,
    help: '1 while the program is ready.',
    registers,
    async collect() {
      this.set((await notReadyReasons()).length === 0 ? 1 : 0)
    },
  })
  return { registry, stop }
}

/** Converts an error code to a label. Unknown codes become OTHER, so that they cannot create series. */
export const toCodeLabel = (code: string | null): string =>
  code === null ? '' : Object.hasOwn(errorTable, code) ? code : 'OTHER'
