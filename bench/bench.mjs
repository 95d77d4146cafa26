// Measures speed and memory as ratios to a baseline of the same run: `npm run bench [-- SECTION …]`.
// A ratio is comparable between machines. The absolute figures apply to this machine only.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { authority } from './sections/authority.mjs'
import { chart } from './sections/chart.mjs'
import { fleet } from './sections/fleet.mjs'
import { policyCheck } from './sections/policy-check.mjs'
import { hosts } from './sections/hosts.mjs'
import { issuing } from './sections/issuing.mjs'
import { pages } from './sections/pages.mjs'
import { programs } from './sections/programs.mjs'
import { transports } from './sections/transports.mjs'
import { satellites } from './sections/satellites.mjs'
import { scale } from './sections/scale.mjs'
import { reconnectStorm } from './sections/reconnect-storm.mjs'
import { keep, Section } from './table.mjs'

const sections = {
  chart: ['The state machine', chart],
  'policy-check': ['Policy checks', policyCheck],
  hosts: ['The host ledger', hosts],
  transports: ['Exchanges of an agent', transports],
  programs: ['Commands and the daemon', programs],
  satellites: ['Synchronization of a satellite', satellites],
  pages: ['The web consoles', pages],
  issuing: ['Certificates of devices', issuing],
  authority: ['An authority under load', authority],
  scale: ['An authority with much data', scale],
  'reconnect-storm': ['Reconnect storms', reconnectStorm],
  fleet: ['A fleet', fleet],
}

const names = process.argv.slice(2)
const unknown = names.find((name) => !(name in sections))
if (unknown !== undefined) {
  console.error(`The section ${unknown} is unknown. Choose from ${Object.keys(sections).join(', ')}.`)
  process.exit(2)
}
for (const name of names.length > 0 ? names : Object.keys(sections)) {
  const [title, measure] = sections[name]
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
