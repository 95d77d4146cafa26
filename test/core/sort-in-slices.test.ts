import fc from 'fast-check'
import { expect, it } from 'vitest'
import { sortInSlices } from '../../src/core/sort-in-slices.ts'

it('a list that is sorted in slices has the order of a list that is sorted at once', async () => {
  const row = fc.record({ key: fc.integer({ min: 0, max: 20 }), text: fc.string({ maxLength: 2 }) })
  const size = fc.integer({ min: 1, max: 7 })
  await fc.assert(
    fc.asyncProperty(
      fc.array(row, { maxLength: 60 }),
      size,
      size,
      async (rows, rowsPerSlice, rowsPerTurn) => {
        const compare = (a: { key: number }, b: { key: number }) => a.key - b.key
        const slices: (typeof rows)[] = []
        for await (const slice of sortInSlices(rows, compare, { rowsPerSlice, rowsPerTurn }))
          slices.push(slice)
        expect(slices.flat().map(({ key }) => key)).toEqual(rows.toSorted(compare).map(({ key }) => key))
        expect(slices.slice(0, -1).every(({ length }) => length === rowsPerSlice)).toBe(true)
        expect(new Set(slices.flat())).toEqual(new Set(rows))
      },
    ),
  )
})
