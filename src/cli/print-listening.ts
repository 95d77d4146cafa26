import { printText } from './output.ts'
import { formatPage } from './format-page.ts'

/** Where it serves, as programs are told; people are told the same in words. */
export interface ListeningInfo {
  readonly listening: string
  readonly firstPasswordFile: string | null
  readonly workers?: number
  readonly metrics?: string | readonly string[]
  readonly connectProxy?: string
  readonly connectCa?: string
  readonly faultApi?: string
  readonly bearerFile?: string
}

/** Says where it serves: one line of JSON, or text. */
export function printListening(json: boolean, info: ListeningInfo): void {
  if (json) {
    process.stdout.write(`${JSON.stringify(info)}\n`)
    return
  }
  const { listening, firstPasswordFile } = info
  printText(`listening on ${listening}${info.workers === undefined ? '' : `, by ${info.workers} workers`}`)
  printText(formatPage('Software Manager', { url: listening, firstPasswordFile }))
  for (const url of [info.metrics ?? []].flat()) printText(`metrics on ${url}/metrics`)
  if (info.connectProxy !== undefined)
    printText(`CONNECT proxy on ${info.connectProxy}, its CA is in ${info.connectCa ?? ''}`)
  if (info.faultApi !== undefined)
    printText(`fault API on ${info.faultApi}, its bearer is in ${info.bearerFile ?? ''}`)
}
