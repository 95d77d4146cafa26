// Measures both web consoles in a browser. The baseline is a plain text page.
import { spawnSync } from 'node:child_process'

/** Maximum compressed size of a page in bytes. */
const MAX_PAGE_BYTES = 350_000

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
    ['device', 'Smart Licenses'],
    ['manager', 'Software Manager'],
  ]) {
    const { bytes, ms } = both[page]
    const kilobytes = (n) => `${Math.round(n / 1000)} kB`
    row(
      `${name}: bytes, compressed`,
      kilobytes(bytes),
      kilobytes(MAX_PAGE_BYTES),
      bytes / MAX_PAGE_BYTES,
      'under 1',
    )
    row(
      `${name}: until the first input field is ready`,
      `${Math.round(ms)} ms`,
      `${Math.round(floor)} ms, a text page`,
      ms / floor,
      'under 5',
    )
  }
}
