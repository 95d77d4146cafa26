import { readFileSync } from 'node:fs'

/** Entry points of the package: the export, the name of its file in dist/lib, and its source. */
const sources = {
  '.': 'src/index.ts',
  './conferencing': 'src/conferencing/index.ts',
  './machines': 'src/machines.ts',
  './mocks': 'mocks/index.ts',
  './authority': 'src/authority/index.ts',
  './testing': 'mocks/testing.ts',
}

const { exports } = JSON.parse(readFileSync('package.json', 'utf8'))

export const entries = Object.entries(sources).map(([path, source]) => ({
  source,
  name: /^\.\/dist\/lib\/(.*)\.js$/.exec(exports[path].default)?.[1],
}))
