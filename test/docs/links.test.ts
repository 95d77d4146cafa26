import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => join('docs', path)),
]
/** Returns the anchor of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-')
const anchorsOf = (page: string): string[] =>
  [...readFileSync(page, 'utf8').matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) => anchorOf(heading))

describe('the documents', () => {
  it('link only to existing pages and headings', () => {
    const astray = pages.flatMap((page) =>
      [...readFileSync(page, 'utf8').matchAll(/\]\((?!https?:|mailto:)([^)\s]*)\)/g)]
        .map(([, target = '']) => target)
        .filter((target) => {
          const [path = '', anchor] = target.split('#')
          const to = path === '' ? page : join(dirname(page), path)
          return (
            !existsSync(to) || (anchor !== undefined && to.endsWith('.md') && !anchorsOf(to).includes(anchor))
          )
        })
        .map((target) => `${page}: ${target}`),
    )
    expect(astray).toEqual([])
  })

  it('name only existing sources, tests and programs', () => {
    const named = pages.flatMap((page) =>
      [
        ...readFileSync(page, 'utf8').matchAll(
          /`((?:src|test|machines|mocks|scripts|bench|deploy)\/[\w./-]+)`/g,
        ),
      ]
        .map(([, path = '']) => path)
        .filter((path) => !existsSync(path))
        .map((path) => `${page}: ${path}`),
    )
    expect(named).toEqual([])
  })
})
