export interface ServerLogger {
  info(message: string, fields?: object): void
  error(message: string, fields?: object): void
  debug?(message: string, fields?: object): void
}
