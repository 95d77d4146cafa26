import { LicensingError } from '../core/errors.ts'
import { VERSION } from '../core/version.ts'
import { withTimeout } from '../transports/deadline.ts'

/** Traces of a program, sent by OTLP over HTTP. */
export interface Tracing {
  exchange(
    type: string,
    origin: { readonly requestId: string | null; readonly traceparent: string | null },
  ): {
    readonly traceId: string | null
    step(step: string): void
    end(end: { readonly outcome: string; readonly code: string | null }): void
  }
  request(type: string): { readonly traceparent: string | null; end(code: string | null): void }
  transaction(): void
  /** Sends what is left. */
  close(): Promise<void>
}

/** Where it is said that traces are lost: a logger of either program fits. */
export interface TracingLogger {
  warn(message: string, fields: object): void
  info(message: string): void
}

/** How long a collector may take for what it is sent, and at the end for all that is left: milliseconds. */
const EXPORT_TIMEOUT_MS = 3000

/** OTLP's own path, where an address is given without one. */
const DEFAULT_PATH = '/v1/traces'

/** @throws LicensingError INVALID_ARGUMENT */
function parseEndpoint(text: string): string {
  const refuse = (why: string) =>
    new LicensingError('INVALID_ARGUMENT', `The address for traces cannot be used: ${why}.`)
  if (!URL.canParse(text)) throw refuse('it is not a URL')
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw refuse('it begins with neither http nor https')
  if (url.username !== '' || url.password !== '')
    throw refuse('it holds a user name or password; OTEL_EXPORTER_OTLP_HEADERS takes what is secret')
  if (url.pathname === '/') url.pathname = DEFAULT_PATH
  return url.href
}

/**
 * Begins to trace. What OpenTelemetry needs is loaded here and nowhere else: without traces it costs nothing.
 *
 * @param service as it is named in the traces
 * @param logger hears when the collector begins to take nothing, and when it takes them again
 * @throws LicensingError INVALID_ARGUMENT
 */
export async function startTracing(
  address: string,
  service: string,
  logger: TracingLogger,
): Promise<Tracing> {
  const url = parseEndpoint(address)
  const [api, sdk, { OTLPTraceExporter }, { resourceFromAttributes }, { W3CTraceContextPropagator }] =
    await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/sdk-trace-base'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
      import('@opentelemetry/core'),
    ])
  const { defaultTextMapGetter, defaultTextMapSetter, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } = api
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: EXPORT_TIMEOUT_MS })
  let taken = true
  const heard: typeof exporter.export = (spans, done) => {
    exporter.export(spans, (result) => {
      const before = taken
      taken = result.error === undefined
      // Once, not for every batch: who is down stays down for a while.
      if (before && !taken) logger.warn('traces are lost', { reason: result.error?.message ?? '' })
      if (!before && taken) logger.info('traces are taken again')
      done(result)
    })
  }
  const provider = new sdk.BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': service, 'service.version': VERSION }),
    spanProcessors: [
      new sdk.BatchSpanProcessor({
        export: heard,
        forceFlush: () => exporter.forceFlush(),
        shutdown: () => exporter.shutdown(),
      }),
    ],
  })
  const tracer = provider.getTracer(service, VERSION)
  const propagator = new W3CTraceContextPropagator()

  return {
    exchange: (type, { requestId, traceparent }) => {
      const from = propagator.extract(
        ROOT_CONTEXT,
        traceparent === null ? {} : { traceparent },
        defaultTextMapGetter,
      )
      const attributes = {
        'smart_licensing.type': type,
        ...(requestId !== null && { 'smart_licensing.request_id': requestId }),
      }
      const span = tracer.startSpan(`exchange ${type}`, { kind: SpanKind.SERVER, attributes }, from)
      const within = trace.setSpan(from, span)
      let step: ReturnType<typeof tracer.startSpan> | null = null
      return {
        traceId: span.spanContext().traceId,
        step: (name) => {
          step?.end()
          step = tracer.startSpan(name, {}, within)
        },
        end: ({ outcome, code }) => {
          step?.end()
          span.setAttributes({
            'smart_licensing.outcome': outcome,
            ...(code !== null && { 'smart_licensing.code': code }),
          })
          if (outcome === 'failed') span.setStatus({ code: SpanStatusCode.ERROR })
          span.end()
        },
      }
    },
    request: (type) => {
      const span = tracer.startSpan(
        `request ${type}`,
        { kind: SpanKind.CLIENT, attributes: { 'smart_licensing.type': type } },
        ROOT_CONTEXT,
      )
      const carrier: { traceparent?: string } = {}
      propagator.inject(trace.setSpan(ROOT_CONTEXT, span), carrier, defaultTextMapSetter)
      return {
        traceparent: carrier.traceparent ?? null,
        end: (code) => {
          if (code !== null) {
            span.setAttribute('smart_licensing.code', code)
            span.setStatus({ code: SpanStatusCode.ERROR })
          }
          span.end()
        },
      }
    },
    transaction: () => undefined,
    close: async () => {
      await withTimeout(
        EXPORT_TIMEOUT_MS,
        provider.shutdown().catch(() => undefined),
      )
    },
  }
}
