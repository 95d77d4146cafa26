import { printText } from './output.ts'
import { formatPage } from './format-page.ts'

/** Addresses and files of a serving authority, as `serve --json` prints them. */
export interface ListeningInfo {
  readonly listening: string
  /** Address of the web console and the REST API. Absent if it is the same. */
  readonly console?: string
  readonly firstPasswordFile: string | null
  readonly workers?: number
  readonly metrics?: string | readonly string[]
  readonly connectProxy?: string
  readonly connectCa?: string
  readonly faultApi?: string
  readonly bearerFile?: string
  readonly trustFile?: string
  readonly tokenFile?: string
}

/** Prints the addresses of a serving authority as one line of JSON, or as text. */
export function printListening(json: boolean, info: ListeningInfo): void {
  if (json) {
    process.stdout.write(`${JSON.stringify(info)}\n`)
    return
  }
  const { listening, firstPasswordFile } = info
  printText(`listening on ${listening}${info.workers === undefined ? '' : `, with ${info.workers} workers`}`)
  printText(formatPage('Software Manager', { url: info.console ?? listening, firstPasswordFile }))
  if (info.trustFile !== undefined)
    printText(
      `root certificate for devices: ${info.trustFile}\nregistration token: in ${info.tokenFile ?? ''}`,
    )
  for (const url of [info.metrics ?? []].flat()) printText(`metrics on ${url}/metrics`)
  if (info.connectProxy !== undefined)
    printText(`CONNECT proxy on ${info.connectProxy}, its CA certificate is in ${info.connectCa ?? ''}`)
  if (info.faultApi !== undefined)
    printText(`fault API on ${info.faultApi}, its bearer token is in ${info.bearerFile ?? ''}`)
}
