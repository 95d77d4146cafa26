import { SECOND } from '../core/time.ts'

/** Time after a lost line until the loss is logged, in milliseconds. */
const REPORT_DELAY_MS = 10 * SECOND

let isHandled = false

/**
 * Keeps a server running when the program that reads its standard output or standard error ends. Without a listener, the
 * failed write (EPIPE) would end the process. The number of lost lines is logged when there is a reader again.
 */
export function surviveLostReaders(logger: {
  error: (message: string, fields: { lines: number }) => void
}): void {
  if (isHandled) return
  isHandled = true
  let lost = 0
  /** Lines whose loss was reported, while it is not known whether the report was read. */
  let reported = 0
  let timer: NodeJS.Timeout | undefined
  const report = () => {
    timer = undefined
    reported = lost
    lost = 0
    logger.error('log lines were lost, because nothing read standard error', { lines: reported })
  }
  process.stdout.on('error', () => undefined)
  process.stderr.on('error', () => {
    // A report that is lost counts for the lines that it reports.
    lost += reported > 0 ? reported : 1
    reported = 0
    timer ??= setTimeout(report, REPORT_DELAY_MS).unref()
  })
}
