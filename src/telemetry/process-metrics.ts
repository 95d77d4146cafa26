import { constants, monitorEventLoopDelay, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks'
import { Gauge, Histogram, type Registry } from 'prom-client'
import heapSizeAndUsed from 'prom-client/lib/metrics/heapSizeAndUsed.js'
import heapSpacesSizeAndUsed from 'prom-client/lib/metrics/heapSpacesSizeAndUsed.js'
import osMemoryHeap from 'prom-client/lib/metrics/osMemoryHeap.js'
import processCpuTotal from 'prom-client/lib/metrics/processCpuTotal.js'
import processHandles from 'prom-client/lib/metrics/processHandles.js'
import processMaxFileDescriptors from 'prom-client/lib/metrics/processMaxFileDescriptors.js'
import processOpenFileDescriptors from 'prom-client/lib/metrics/processOpenFileDescriptors.js'
import processRequests from 'prom-client/lib/metrics/processRequests.js'
import processResources from 'prom-client/lib/metrics/processResources.js'
import processStartTime from 'prom-client/lib/metrics/processStartTime.js'
import version from 'prom-client/lib/metrics/version.js'

/** Default metrics of prom-client that read a value on each scrape, and leave nothing behind. */
const READ_ON_SCRAPE = [
  processCpuTotal,
  processStartTime,
  osMemoryHeap,
  processOpenFileDescriptors,
  processMaxFileDescriptors,
  processResources,
  processHandles,
  processRequests,
  heapSizeAndUsed,
  heapSpacesSizeAndUsed,
  version,
]

const EVENT_LOOP_RESOLUTION_MS = 10
const GC_BUCKETS_SECONDS = [0.001, 0.01, 0.1, 1, 2, 5]
const GC_KINDS: ReadonlyMap<unknown, string> = new Map([
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weakcb'],
])

/**
 * Adds the default metrics of prom-client to a registry, with the same names. `collectDefaultMetrics` starts observers of
 * garbage collection and of the event loop that cannot be stopped.
 *
 * @returns stops the observers
 */
export function collectProcessMetrics(registry: Registry): () => void {
  for (const register of READ_ON_SCRAPE) register(registry)
  const stopEventLoop = observeEventLoop(registry)
  const stopGarbageCollection = observeGarbageCollection(registry)
  return () => {
    stopEventLoop()
    stopGarbageCollection()
  }
}

function observeGarbageCollection(registry: Registry): () => void {
  const durations = new Histogram({
    name: 'nodejs_gc_duration_seconds',
    help: 'Garbage collection duration by kind, one of major, minor, incremental or weakcb.',
    labelNames: ['kind'],
    buckets: GC_BUCKETS_SECONDS,
    registers: [registry],
  })
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as (PerformanceEntry & { detail?: { kind?: unknown } })[])
      durations.observe({ kind: GC_KINDS.get(entry.detail?.kind) ?? 'other' }, entry.duration / 1000)
  })
  observer.observe({ entryTypes: ['gc'] })
  return () => {
    observer.disconnect()
  }
}

function observeEventLoop(registry: Registry): () => void {
  const delays = monitorEventLoopDelay({ resolution: EVENT_LOOP_RESOLUTION_MS })
  delays.enable()
  const createGauge = (suffix: string, help: string) =>
    new Gauge({ name: `nodejs_eventloop_lag_${suffix}`, help, registers: [registry] })
  const min = createGauge('min_seconds', 'The minimum recorded event loop delay.')
  const max = createGauge('max_seconds', 'The maximum recorded event loop delay.')
  const mean = createGauge('mean_seconds', 'The mean of the recorded event loop delays.')
  const stddev = createGauge('stddev_seconds', 'The standard deviation of the recorded event loop delays.')
  const percentiles = [50, 90, 99].map((percentile) => ({
    percentile,
    gauge: createGauge(
      `p${percentile}_seconds`,
      `The ${percentile}th percentile of the recorded event loop delays.`,
    ),
  }))
  new Gauge({
    name: 'nodejs_eventloop_lag_seconds',
    help: 'Lag of event loop in seconds.',
    registers: [registry],
    async collect() {
      const start = process.hrtime.bigint()
      min.set(delays.min / 1e9)
      max.set(delays.max / 1e9)
      mean.set(delays.mean / 1e9)
      stddev.set(delays.stddev / 1e9)
      for (const { percentile, gauge } of percentiles) gauge.set(delays.percentile(percentile) / 1e9)
      delays.reset()
      await new Promise((resolve) => setImmediate(resolve))
      this.set(Number(process.hrtime.bigint() - start) / 1e9)
    },
  })
  return () => {
    delays.disable()
  }
}
