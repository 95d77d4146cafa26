// Measures speed and memory as ratios to a baseline of the same run: `npm run bench [-- SECTION …]`.
// A ratio is comparable between machines. The absolute figures apply to this machine only.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keep, Section } from './table.mjs'

/** Sections with their title. Only the requested ones are loaded. */
const sections = {
  chart: ['The state machine', async () => (await import('./sections/chart.mjs')).chart],
  'policy-check': ['Policy checks', async () => (await import('./sections/policy-check.mjs')).policyCheck],
  hosts: ['The host ledger', async () => (await import('./sections/hosts.mjs')).hosts],
  transports: ['Exchanges of an agent', async () => (await import('./sections/transports.mjs')).transports],
  programs: ['Commands and the daemon', async () => (await import('./sections/programs.mjs')).programs],
  satellites: [
    'Synchronization of a satellite',
    async () => (await import('./sections/satellites.mjs')).satellites,
  ],
  pages: ['The web consoles', async () => (await import('./sections/pages.mjs')).pages],
  issuing: ['Certificates of devices', async () => (await import('./sections/issuing.mjs')).issuing],
  authority: ['An authority under load', async () => (await import('./sections/authority.mjs')).authority],
  scale: ['An authority with much data', async () => (await import('./sections/scale.mjs')).scale],
  viewers: ['Viewers of a large account', async () => (await import('./sections/viewers.mjs')).viewers],
  'reconnect-storm': [
    'Reconnect storms',
    async () => (await import('./sections/reconnect-storm.mjs')).reconnectStorm,
  ],
  fleet: ['A fleet', async () => (await import('./sections/fleet.mjs')).fleet],
}

const names = process.argv.slice(2)
const unknown = names.find((name) => !(name in sections))
if (unknown !== undefined) {
  console.error(`The section ${unknown} is unknown. Choose from ${Object.keys(sections).join(', ')}.`)
  process.exit(2)
}
for (const name of names.length > 0 ? names : Object.keys(sections)) {
  const [title, load] = sections[name]
  const measure = await load()
  const directory = mkdtempSync(join(tmpdir(), 'sla-bench-'))
  try {
    const section = new Section()
    await measure(section.row, directory, section.note)
    section.print(title)
    keep(name, title, section)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
process.exit()
