import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { errorTable } from '../core/errors.ts'
import { VERSION } from '../core/version.ts'

/** Creates a registry with the metrics of both programs: process, version, and readiness. */
export function createRegistry(prefix: string, notReadyReasons: () => Promise<readonly string[]>): Registry {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
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
  return registry
}

/** Converts an error code to a label. Unknown codes become OTHER, so that they cannot create series. */
export const toCodeLabel = (code: string | null): string =>
  code === null ? '' : Object.hasOwn(errorTable, code) ? code : 'OTHER'
