import winston from 'winston'
import type { AgentLogger } from '../agent/logger.ts'
import { surviveLostReaders } from './lost-output.ts'
import { LOG_LEVELS } from './log-options.ts'
import { parsePositiveInteger } from './parse-positive-integer.ts'
import { redact } from './redact.ts'

/** Formats a field value for text logs, without quotes when it is one word. */
const formatValue = (value: unknown): string =>
  typeof value === 'string' && /^[\w.:/@+-]+$/.test(value) ? value : JSON.stringify(value)

/**
 * Creates a winston logger that writes JSON or text lines to standard error, or to a file rotated by size. Callers log
 * public facts only. As a second safeguard, `redact` hides values that look like secrets. A lost reader of the output
 * does not end the process.
 *
 * @throws LicensingError INVALID_ARGUMENT
 */
export function createLogger(options: {
  logFile?: string
  logLevel: string
  logFormat?: string
  logMaxSize?: string
  logMaxFiles?: string
}): AgentLogger {
  const { logFile, logLevel, logFormat = 'json', logMaxSize = '10485760', logMaxFiles = '5' } = options
  const { format, transports } = winston
  const [maxsize, maxFiles] = [
    parsePositiveInteger(logMaxSize, '--log-max-size'),
    parsePositiveInteger(logMaxFiles, '--log-max-files'),
  ]
  const hide = format((info) => Object.assign(info, redact({ ...info })))
  const lines =
    logFormat === 'json'
      ? format.json()
      : format.printf(({ timestamp, level, message, ...fields }) =>
          [
            String(timestamp),
            level.padEnd(5),
            // Control characters could start a forged log line.
            String(message).replace(/\p{Cc}/gu, '\u{fffd}'),
            ...Object.entries(fields).map(([name, value]) => `${name}=${formatValue(value)}`),
          ].join(' '),
        )
  const logger = winston.createLogger({
    level: logLevel,
    format: format.combine(hide(), format.timestamp(), lines),
    transports:
      logFile === undefined
        ? new transports.Console({ stderrLevels: [...LOG_LEVELS] })
        : new transports.File({
            filename: logFile,
            maxsize,
            maxFiles,
            tailable: true,
            options: { flags: 'a', mode: 0o600 },
          }),
  })
  surviveLostReaders(logger)
  return logger
}
