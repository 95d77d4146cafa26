// Prints measured rows, stores them in bench/results.json, and writes docs/benchmarks.md.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import Table from 'cli-table3'

const results = new URL('results.json', import.meta.url).pathname
const page = new URL('../docs/benchmarks.md', import.meta.url).pathname

export const perSecond = (n) => `${Math.round(n).toLocaleString('en')} /s`
export const ms = (n) => `${n.toFixed(n < 10 ? 1 : 0)} ms`
export const seconds = (n) => `${n.toFixed(1)} s`
export const mebibytes = (n) => `${(n / 2 ** 20).toFixed(0)} MiB`

const head = ['what', 'measured', 'floor', 'ratio', 'aim']

/** Collected rows and notes of one section. */
export class Section {
  rows = []
  notes = []

  /** Adds a row. @param ratio ratio of both figures, or null without one */
  row = (what, measured, floor, ratio, aim) => {
    this.rows.push([what, measured, floor, ratio === null ? '' : ratio.toFixed(2), aim])
  }

  note = (text) => this.notes.push(text)

  print(name) {
    const table = new Table({
      head: [name, ...head.slice(1)],
      style: { head: [], border: [], compact: true },
    })
    for (const row of this.rows) table.push(row)
    console.log(table.toString())
    for (const note of this.notes) console.log(note)
  }
}

/** Stores the results of a section and writes the page of all sections. */
export function keep(name, title, { rows, notes }) {
  const all = existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')) : {}
  const machine = `${cpus().length} × ${cpus()[0].model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`
  const day = new Date().toISOString().slice(0, 10)
  all[name] = { title, day, machine, rows, notes }
  writeFileSync(results, `${JSON.stringify(all, null, 2)}\n`)
  writeFileSync(page, pageOf(all))
  execFileSync(process.execPath, [
    new URL('../node_modules/prettier/bin/prettier.cjs', import.meta.url).pathname,
    '--write',
    '--log-level',
    'warn',
    results,
    page,
  ])
}

const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`

function pageOf(all) {
  const parts = Object.values(all).map(({ title, day, machine, rows, notes }) =>
    [
      `## ${title}`,
      '',
      line(head),
      line(head.map(() => '---')),
      ...rows.map(line),
      ...(notes.length > 0 ? ['', ...notes.map((note) => `- ${note}`)] : []),
      '',
      `_Measured ${day} on ${machine}._`,
      '',
    ].join('\n'),
  )
  return [
    '# Benchmarks',
    '',
    'Written by `npm run bench`. `npm run bench -- SECTION …` measures single sections again. Each figure is compared with a floor from the same run: the minimum cost of the same work on that machine. Ratios are comparable between machines, absolute figures are not. The load generator runs on the same machine and uses a part of its processors.',
    '',
    ...parts,
  ].join('\n')
}
