import winston from 'winston'
import type { AgentLogger } from '../agent/logger.ts'
import { LicensingError } from '../domain/errors.ts'

function positive(text: string, option: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw new LicensingError('INVALID_ARGUMENT', `${option} is a whole number, 1 or more.`)
}

/**
 * Structured logs by winston: a JSON line each, to standard error, or to a file that is rotated by size.
 * Nothing that is logged here holds a secret: the callers word their lines from public facts.
 */
export function createLogger(options: {
  logFile?: string
  logLevel: string
  logMaxSize: string
  logMaxFiles: string
}): AgentLogger {
  const { format, transports } = winston
  const [maxsize, maxFiles] = [
    positive(options.logMaxSize, '--log-max-size'),
    positive(options.logMaxFiles, '--log-max-files'),
  ]
  /* eslint-disable @typescript-eslint/no-unsafe-class-instance-assignment -- winston's types name its base class twice */
  return winston.createLogger({
    level: options.logLevel,
    format: format.combine(format.timestamp(), format.json()),
    transports:
      options.logFile === undefined
        ? new transports.Console({ stderrLevels: ['error', 'warn', 'info', 'debug'] })
        : new transports.File({
            filename: options.logFile,
            maxsize,
            maxFiles,
            tailable: true,
            options: { flags: 'a', mode: 0o600 },
          }),
  })
  /* eslint-enable */
}
