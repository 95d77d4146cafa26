import winston from 'winston'
import type { AgentLogger } from '../agent/logger.ts'
import { LicensingError } from '../core/errors.ts'
import { LOG_LEVELS } from './log-options.ts'
import { redact } from './redact.ts'

function parsePositiveInteger(text: string, option: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw new LicensingError('INVALID_ARGUMENT', `${option} is a whole number, 1 or more.`)
}

/** A value in a line for people: bare where it is one word. */
const formatValue = (value: unknown): string =>
  typeof value === 'string' && /^[\w.:/@+-]+$/.test(value) ? value : JSON.stringify(value)

/**
 * Structured logs by winston: a line each, to standard error, or to a file that is rotated by size; for programs as JSON,
 * for people as text. Nothing that is logged here holds a secret: the callers word their lines from public facts, and what
 * looks like one is hidden all the same.
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
            // A line stays a line, whatever is in it.
            String(message).replace(/\p{Cc}/gu, '\u{fffd}'),
            ...Object.entries(fields).map(([name, value]) => `${name}=${formatValue(value)}`),
          ].join(' '),
        )
  /* eslint-disable @typescript-eslint/no-unsafe-class-instance-assignment -- winston's types name its base class twice */
  return winston.createLogger({
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
  /* eslint-enable */
}
