import { type Command, Option } from 'commander'
import { parseAddress } from './address.ts'
import { LOG_FORMATS, LOG_LEVELS } from './log-options.ts'

/** Options for metrics, traces and logs, common to both programs. */
export interface OperationsOptions {
  metrics?: string
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
    .option('--traces <url>', 'send OpenTelemetry traces to this URL, by OTLP over HTTP')
    .addOption(
      new Option('--log-level <level>', 'least severe level to log').choices(LOG_LEVELS).default('info'),
    )
    .addOption(
      new Option('--log-format <format>', 'format of log lines').choices(LOG_FORMATS).default('json'),
    )
}

/** Parses the address for metrics. The default host is 127.0.0.1. @throws LicensingError INVALID_ARGUMENT */
export function parseMetricsAddress(text: string): { host: string; port: number } {
  return parseAddress(/^:?\d+$/.test(text) ? `127.0.0.1:${text.replace(':', '')}` : text)
}
