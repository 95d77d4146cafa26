import type { FaultName } from '../src/faults/index.ts'
import type { FailureCell, FailureMatrix, FailureResult, MatrixOptions } from './failure-matrix.types.ts'

/** Time in which a device must be well again after a failure has ended. */
const RECOVERY = '12h'

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
