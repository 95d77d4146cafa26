// Speed and memory, each as a ratio to a floor that is measured in the same run: `npm run bench [-- SECTION …]`.
// A ratio says the same on a fast machine and a slow one; the figures beside it are this machine's.
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
  chart: ['The statechart', chart],
  'policy-check': ['Asking whether something is allowed', policyCheck],
  hosts: ['The ledger of hosts', hosts],
  transports: ['Exchanges of an agent', transports],
  programs: ['Commands and the daemon', programs],
  satellites: ['Synchronization of a satellite', satellites],
  pages: ['The pages', pages],
  issuing: ['Certificates of boxes', issuing],
  authority: ['An authority under load', authority],
  scale: ['An authority that has grown', scale],
  'reconnect-storm': ['Everyone at once', reconnectStorm],
  fleet: ['A fleet', fleet],
}

const asked = process.argv.slice(2)
const unknown = asked.find((name) => !(name in sections))
if (unknown !== undefined) {
  console.error(`There is no section ${unknown}: ${Object.keys(sections).join(', ')}.`)
  process.exit(2)
}
for (const name of asked.length > 0 ? asked : Object.keys(sections)) {
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
