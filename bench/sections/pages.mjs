// The two pages in a browser, beside a page of text.
import { spawnSync } from 'node:child_process'

/** Bytes that a page may weigh, compressed. */
const PAGE = 350_000

export function pages(row) {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [new URL('../pages.mjs', import.meta.url).pathname],
    {
      encoding: 'utf8',
    },
  )
  if (stdout === '') throw new Error(stderr)
  const { floor, ...both } = JSON.parse(stdout)
  for (const [page, name] of [
    ['box', 'Smart Licenses'],
    ['manager', 'Software Manager'],
  ]) {
    const { bytes, ms } = both[page]
    const kilobytes = (n) => `${Math.round(n / 1000)} kB`
    row(`${name}: bytes, compressed`, kilobytes(bytes), kilobytes(PAGE), bytes / PAGE, 'under 1')
    row(
      `${name}: until its first field can be typed in`,
      `${Math.round(ms)} ms`,
      `${Math.round(floor)} ms, a page of text`,
      ms / floor,
      'under 5',
    )
  }
}
