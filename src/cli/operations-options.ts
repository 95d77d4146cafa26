import { type Command, Option } from 'commander'
import { parseAddress } from './address.ts'
import { LOG_FORMATS, LOG_LEVELS } from './log-options.ts'

/** What both programs take for whoever runs them. */
export interface OperationsOptions {
  metrics?: string
  traces?: string
  logLevel: string
  logFormat: string
}

/** Adds the options for metrics, traces and logs to a command that stays up. */
export function addOperationsOptions(command: Command): Command {
  return command
    .option(
      '--metrics <[host:]port>',
      'serve /metrics, /health and /ready over plain HTTP, on this machine unless a host is given; port 0 takes a free one',
    )
    .option('--traces <url>', 'send OpenTelemetry traces to this address, by OTLP over HTTP')
    .addOption(
      new Option('--log-level <level>', 'the least that is logged').choices(LOG_LEVELS).default('info'),
    )
    .addOption(
      new Option('--log-format <format>', 'a line each, for programs or for people')
        .choices(LOG_FORMATS)
        .default('json'),
    )
}

/** Where metrics are served: on this machine unless a host is named. @throws LicensingError INVALID_ARGUMENT */
export function parseMetricsAddress(text: string): { host: string; port: number } {
  return parseAddress(/^:?\d+$/.test(text) ? `127.0.0.1:${text.replace(':', '')}` : text)
}
