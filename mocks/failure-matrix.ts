import type { ErrorCode } from '../src/core/errors.ts'
import type { FaultName } from '../src/faults/index.ts'
import type { TransportSettings } from '../src/transports/transport.ts'
import type { TestBed, TestBedOptions } from './test-bed.types.ts'

/** Time in which a device must be well again after a failure has ended. */
const RECOVERY = '12h'

/** Result of one cell of the matrix. */
export interface FailureResult {
  readonly fault: FaultName
  readonly transport: TransportSettings['kind']
  /** Code that the agent reports, as the catalog says. */
  readonly code: ErrorCode
  /** Text that the product showed to its users. */
  readonly shown: string
  /** Reason why the cell has failed. Null if all is right */
  readonly problem: string | null
  /** Real milliseconds. */
  readonly milliseconds: number
}

/** One failure, to run as a test. */
export interface FailureCell {
  /** Title for the test, such as `tls-expired, direct: TLS_EXPIRED`. */
  readonly name: string
  readonly fault: FaultName
  readonly transport: TransportSettings['kind']
  readonly code: ErrorCode
  /** Runs the failure against the product. @throws Error if something does not hold, with what the product showed */
  run(): Promise<void>
}

export interface MatrixOptions<
  Product,
  Api = unknown,
  StatusPart extends object = object,
  Tag extends string = string,
> {
  /** Options of the test beds, such as the profile of the product. */
  readonly bed?: Omit<TestBedOptions<Api, StatusPart, Tag>, 'faults' | 'transport'>
  /** Opens the product on a test bed, with the agent `bed.agent`, its own callbacks and pages. */
  readonly open: (bed: TestBed<Api, StatusPart, Tag>) => Promise<Product> | Product
  /** Returns what the product shows to its users about licensing now, such as the text of a page. */
  readonly show: (product: Product) => Promise<string> | string
  /** Closes the product. The agent is closed by the bed. */
  readonly close?: (product: Product) => Promise<void> | void
  /**
   * Decides whether the product tells a failure rightly. Default: it shows the code, the message or the remedy of the agent.
   */
  readonly isRight?: (failure: {
    readonly shown: string
    readonly fault: FaultName
    readonly code: ErrorCode
    readonly message: string
    readonly remedy: string
  }) => boolean
}

export interface FailureMatrix {
  /** One cell for each fault of the catalog, on each route on which it can occur. */
  readonly cells: readonly FailureCell[]
  /** Results of the cells that have run. */
  readonly results: readonly FailureResult[]
  /** Formats the results as a table in Markdown: which failures the product tells its users rightly. */
  toMarkdown(): string
}

/**
 * Creates the matrix of all transport failures for a product. Each cell registers the device, lets an authorization fail,
 * reads what the product shows, ends the failure, and waits for the recovery.
 *
 * @example
 * const matrix = await transportFailureMatrix({ open: (bed) => startProduct(bed.agent), show: (product) => product.banner() })
 * test.each(matrix.cells)('$name', (cell) => cell.run())
 */
export async function transportFailureMatrix<
  Product,
  Api = unknown,
  StatusPart extends object = object,
  Tag extends string = string,
>(options: MatrixOptions<Product, Api, StatusPart, Tag>): Promise<FailureMatrix> {
  const { faultCatalog } = await import('../src/faults/index.ts')
  const { runFailure } = await import('./run-failure.ts')
  const results: FailureResult[] = []
  const names = Object.keys(faultCatalog) as FaultName[]
  const cells = names.flatMap((fault): FailureCell[] => {
    const { code, layer } = faultCatalog[fault]
    if (code === null) return []
    const transport = layer === 'proxy' ? 'proxy' : 'direct'
    const run = async () => {
      const result = await runFailure(options, { fault, transport, code }, RECOVERY)
      results.push(result)
      if (result.problem !== null) throw new Error(`${fault}: ${result.problem}.\nShown: ${result.shown}`)
    }
    return [{ name: `${fault}, ${transport}: ${code}`, fault, transport, code, run }]
  })
  return { cells, results, toMarkdown: () => formatResults(results) }
}

const escapeCell = (text: string): string => text.replaceAll('|', '\\|').replace(/\s+/g, ' ').trim()

function formatResults(results: readonly FailureResult[]): string {
  const right = results.filter(({ problem }) => problem === null).length
  return [
    '# Transport failures',
    '',
    `The product tells its users ${right} of ${results.length} failures rightly.`,
    '',
    '| fault | route | code | the product shows | result | ms |',
    '| --- | --- | --- | --- | --- | --- |',
    ...results.map(({ fault, transport, code, shown, problem, milliseconds }) => {
      const cells = [fault, transport, code, shown.slice(0, 200), problem ?? 'right']
      return `| ${[...cells.map(escapeCell), milliseconds.toFixed(0)].join(' | ')} |`
    }),
    '',
  ].join('\n')
}
