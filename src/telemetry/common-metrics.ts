import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { errorTable } from '../core/errors.ts'
import { VERSION } from '../core/version.ts'

/** Metrics that both programs have: of the process, its version, and whether it can do its work. */
export function createRegistry(prefix: string, notReadyReasons: () => Promise<readonly string[]>): Registry {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  new Gauge({
    name: `${prefix}_build_info`,
    help: 'What runs; always 1.',
    labelNames: ['version'],
    registers,
  }).set({ version: VERSION }, 1)
  new Gauge({
    name: `${prefix}_ready`,
    help: '1 while it can do its work.',
    registers,
    async collect() {
      this.set((await notReadyReasons()).length === 0 ? 1 : 0)
    },
  })
  return registry
}

/** A code of the error table as a label: what comes from elsewhere makes no series of its own. */
export const toCodeLabel = (code: string | null): string =>
  code === null ? '' : Object.hasOwn(errorTable, code) ? code : 'OTHER'
