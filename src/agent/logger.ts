/** Logger of the agent. Loggers of winston and pino, and `console`, are compatible. */
export interface AgentLogger {
  error(message: string, fields?: object): void
  warn(message: string, fields?: object): void
  info(message: string, fields?: object): void
  debug(message: string, fields?: object): void
}

export const noopLogger: AgentLogger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
}

/** Logger of pino, whose methods take the fields before the message. */
type PinoLogger = Record<keyof AgentLogger, (fields: object, message: string) => void>

/** Detects a logger of pino, such as `app.log` of Fastify, by methods that only pino has together. */
const isPino = (logger: object): logger is PinoLogger =>
  ['child', 'bindings'].every((name) => typeof Reflect.get(logger, name) === 'function')

/** Returns the logger in the order of arguments of this library. Without a logger, returns one that logs nothing. */
export function adaptLogger(logger: AgentLogger | undefined): AgentLogger {
  if (logger === undefined) return noopLogger
  if (!isPino(logger)) return logger
  const pino: PinoLogger = logger
  const adapt =
    (level: keyof AgentLogger) =>
    (message: string, fields: object = {}) => {
      pino[level](fields, message)
    }
  return { error: adapt('error'), warn: adapt('warn'), info: adapt('info'), debug: adapt('debug') }
}
