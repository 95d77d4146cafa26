import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  alreadyExistsError,
  errorTable,
  LicensingError,
  notFoundError,
  resources,
} from '../../src/core/errors.ts'

describe('the error table', () => {
  it('defines each code in one area only', async () => {
    const folder = new URL('../../src/core/errors/', import.meta.url)
    const areas = await Promise.all(
      readdirSync(folder).map(
        (file) => import(new URL(file, folder).href) as Promise<Record<string, object>>,
      ),
    )
    const codes = areas.flatMap((area) =>
      Object.entries(area).flatMap(([name, table]) => (name.endsWith('Errors') ? Object.keys(table) : [])),
    )
    expect(codes.toSorted()).toEqual(Object.keys(errorTable).toSorted())
  })

  it('gives wrong usage exit code 2 and every other error exit code 1', () => {
    expect(new LicensingError('USAGE', 'x').exitCode).toBe(2)
    for (const code of ['NOT_FOUND', 'TIMED_OUT', 'ANSWER_STALE', 'INTERNAL'] as const)
      expect(new LicensingError(code, 'x').exitCode).toBe(1)
  })
})

describe('an error about a resource', () => {
  it('has the kind of resource, and the command that lists the existing ones', () => {
    expect(notFoundError('order', 'There is no order "7".').toJSON()).toEqual({
      code: 'NOT_FOUND',
      message: 'There is no order "7".',
      remedy: 'See `order list`.',
      resource: 'order',
    })
    expect(alreadyExistsError('user', 'There is a user ann already.')).toMatchObject({
      code: 'ALREADY_EXISTS',
      resource: 'user',
      remedy: errorTable.ALREADY_EXISTS.remedy,
    })
  })

  it('keeps its kind of resource in the JSON form', () => {
    for (const resource of Object.keys(resources) as (keyof typeof resources)[]) {
      const error = notFoundError(resource, 'gone')
      expect(LicensingError.fromDocument(error.toJSON())).toEqual(error)
    }
  })

  it('drops an unknown kind of resource, and has none for other codes', () => {
    const document = { code: 'NOT_FOUND', message: 'gone', remedy: '', resource: 'constructor' }
    expect(LicensingError.fromDocument(document).resource).toBeUndefined()
    expect(new LicensingError('INTERNAL', 'x').toJSON()).not.toHaveProperty('resource')
  })
})
