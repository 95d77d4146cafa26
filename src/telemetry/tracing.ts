import { LicensingError } from '../core/errors.ts'
import { VERSION } from '../core/version.ts'
import { withTimeout } from '../transports/deadline.ts'

/** Traces of a program, exported with OTLP over HTTP. */
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
  /** Exports the remaining spans. */
  close(): Promise<void>
}

/** Logger for failed exports. The loggers of both programs are compatible. */
export interface TracingLogger {
  warn(message: string, fields: object): void
  info(message: string): void
}

/** Time limit for an export, and for the final export on close. */
const EXPORT_TIMEOUT_MS = 3000

/** Default path of OTLP over HTTP. */
const DEFAULT_PATH = '/v1/traces'

/** @throws LicensingError INVALID_ARGUMENT */
function parseEndpoint(text: string): string {
  const refuse = (reason: string) =>
    new LicensingError('INVALID_ARGUMENT', `The address for traces cannot be used: ${reason}.`)
  if (!URL.canParse(text)) throw refuse('it is not a URL')
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw refuse('its scheme is neither http nor https')
  if (url.username !== '' || url.password !== '')
    throw refuse('it contains a user name or password; set secrets in OTEL_EXPORTER_OTLP_HEADERS')
  if (url.pathname === '/') url.pathname = DEFAULT_PATH
  return url.href
}

/**
 * Starts to trace. Loads OpenTelemetry only here, so that it costs nothing without traces.
 *
 * @param service service name in the traces
 * @param logger logs the first failed export, and the first successful one after failures
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
  let accepted = true
  const exportAndLog: typeof exporter.export = (spans, done) => {
    exporter.export(spans, (result) => {
      const before = accepted
      accepted = result.error === undefined
      // Log once per outage, not for every batch.
      if (before && !accepted)
        logger.warn('trace export failed; traces are lost', { reason: result.error?.message ?? '' })
      if (!before && accepted) logger.info('trace export works again')
      done(result)
    })
  }
  const provider = new sdk.BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': service, 'service.version': VERSION }),
    spanProcessors: [
      new sdk.BatchSpanProcessor({
        export: exportAndLog,
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
