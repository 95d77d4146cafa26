import { expect, it } from 'vitest'
import { type FailureMatrix, transportFailureMatrix } from '../../mocks/testing.ts'
import { defineProfile, type SmartAgent } from '../../src/index.ts'
import { createSampledTests } from '../support/scale.ts'

const profile = defineProfile({ name: 'router', tags: [{ tag: 'GBIT' }] })

/** Product whose page shows the failures of the transport, apart from those of a proxy. */
const createMatrix = (): Promise<FailureMatrix> =>
  transportFailureMatrix({
    bed: { profile },
    open: (bed) => bed.agent as Pick<SmartAgent, 'status'>,
    show: (agent) => {
      const { state, transport } = agent.status()
      return transport.lastFailure?.code.startsWith('PROXY_')
        ? state
        : (transport.lastFailure?.message ?? state)
    },
  })

it('R-LAB-5: says which failures a product tells its users rightly, as a table', async () => {
  const matrix = await createMatrix()
  const run = (fault: string) => matrix.cells.find((cell) => cell.fault === fault)?.run()
  await run('tls-expired')
  await run('silence')
  await expect(run('proxy-forbidden')).rejects.toThrow(
    'proxy-forbidden: the product shows neither the code nor the message nor the remedy.\nShown: authorized',
  )
  const table = matrix.toMarkdown()
  expect(table).toContain('The product tells its users 2 of 3 failures rightly.')
  expect(table).toMatch(/\| tls-expired \| direct \| TLS_EXPIRED \| .*certificate.* \| right \| \d+ \|/)
  expect(table).toMatch(
    /\| proxy-forbidden \| proxy \| PROXY_FORBIDDEN \| authorized \| the product shows neither/,
  )
})

const { it: itSampled } = createSampledTests(8)
const { cells } = await createMatrix()
itSampled.each(cells.filter(({ transport }) => transport === 'direct'))('R-LAB-5: $name', (cell) =>
  cell.run(),
)
