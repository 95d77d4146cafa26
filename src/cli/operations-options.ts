import { type Command, Option } from 'commander'
import { LicensingError } from '../core/errors.ts'
import { parseAddress } from './address.ts'
import { LOG_FORMATS, LOG_LEVELS } from './log-options.ts'

/** Options for metrics, traces and logs, common to both programs. */
export interface OperationsOptions {
  metrics?: string
  metricsHost?: string[]
  traces?: string
  logLevel: string
  logFormat: string
}

/** Adds the options for metrics, traces and logs to a long-running command. */
export function addOperationsOptions(command: Command): Command {
  return command
    .option(
      '--metrics <[host:]port>',
      'serve /metrics, /health and /ready over plain HTTP; the default host is 127.0.0.1; port 0 selects a free port',
    )
    .option(
      '--metrics-host <name...>',
      'with --metrics: host names by which clients may ask for /metrics, besides IP addresses',
    )
    .option('--traces <url>', 'send OpenTelemetry traces to this URL, by OTLP over HTTP')
    .addOption(
      new Option('--log-level <level>', 'least severe level to log').choices(LOG_LEVELS).default('info'),
    )
    .addOption(
      new Option('--log-format <format>', 'format of log lines').choices(LOG_FORMATS).default('json'),
    )
}

/** Address for metrics, with the host names by which clients may ask for them. */
export interface MetricsAddress {
  readonly host: string
  readonly port: number
  readonly hosts: readonly string[]
}

/**
 * Parses the address for metrics. The default host is 127.0.0.1.
 *
 * @returns null without `--metrics`
 * @throws LicensingError INVALID_ARGUMENT, USAGE
 */
export function parseMetricsAddress({
  metrics,
  metricsHost: hosts = [],
}: OperationsOptions): MetricsAddress | null {
  if (metrics === undefined) {
    if (hosts.length > 0) throw new LicensingError('USAGE', '--metrics-host requires --metrics [HOST:]PORT.')
    return null
  }
  const isPort = /^:?\d+$/.test(metrics)
  return { ...parseAddress(isPort ? `127.0.0.1:${metrics.replace(':', '')}` : metrics), hosts }
}
