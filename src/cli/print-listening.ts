import { printText } from './output.ts'
import { pageText } from './page-text.ts'

/** Where it serves, as programs are told; people are told the same in words. */
export interface Serving {
  readonly listening: string
  readonly firstPasswordFile: string | null
  readonly workers?: number
  readonly metrics?: string | readonly string[]
  readonly connectProxy?: string
  readonly connectCa?: string
  readonly management?: string
  readonly bearerFile?: string
}

/** Says where it serves: one line of JSON, or text. */
export function printListening(json: boolean, told: Serving): void {
  if (json) {
    process.stdout.write(`${JSON.stringify(told)}\n`)
    return
  }
  const { listening, firstPasswordFile } = told
  printText(`listening on ${listening}${told.workers === undefined ? '' : `, by ${told.workers} workers`}`)
  printText(pageText('Software Manager', { url: listening, firstPasswordFile }))
  for (const url of [told.metrics ?? []].flat()) printText(`metrics on ${url}/metrics`)
  if (told.connectProxy !== undefined)
    printText(`CONNECT proxy on ${told.connectProxy}, its CA is in ${told.connectCa ?? ''}`)
  if (told.management !== undefined)
    printText(`management on ${told.management}, its bearer is in ${told.bearerFile ?? ''}`)
}
