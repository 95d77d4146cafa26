// Rolls the declarations of the entry points up into dist/lib, without what no entry point reaches. It reads the declarations
// that the compiler wrote to dist.
import { readFileSync } from 'node:fs'
import { rolldown } from 'rolldown'
import { dts } from 'rolldown-plugin-dts'
import { entries } from './entries.mjs'

const inputs = Object.fromEntries(
  entries.map(({ name, source }) => [`${name}.d`, `dist/${source.replace(/\.ts$/, '.d.ts')}`]),
)
const exported = new Set(Object.values(inputs).flatMap((path) => readFileSync(path, 'utf8').match(/\w+/g)))

/** Returns the index after the bracket that closes the one at `start`. */
function findClosing(code, start) {
  let depth = 0
  for (let i = start; i < code.length; i++) {
    if (code[i] === '(') depth++
    else if (code[i] === ')' && --depth === 0) return i + 1
  }
  throw new Error('A parenthesis is not closed.')
}

/** Hides the constructor of each class that no entry point exports, since its parameters are internal types. */
function hideConstructors(code) {
  let hidden = ''
  let rest = code
  for (;;) {
    const found = /^ {4}constructor(?=\()/m.exec(rest)
    if (!found) return hidden + rest
    const start = found.index + found[0].length
    const end = findClosing(rest, start)
    const name = [...(hidden + rest.slice(0, found.index)).matchAll(/\bclass (\w+)/g)].at(-1)?.[1]
    hidden += exported.has(name)
      ? rest.slice(0, end)
      : `${rest.slice(0, found.index)}    private constructor()`
    rest = rest.slice(end)
  }
}

/** Removes the paths of modules, which are not part of the package. */
function removePaths(chunk) {
  if (chunk.type === 'chunk') chunk.code = chunk.code.replace(/^\/\/(#region| dist\/|#endregion).*\n/gm, '')
}

const bundle = await rolldown({
  input: inputs,
  external: /^[^./]/,
  plugins: [
    { name: 'hide-constructors', transform: { filter: { id: /\.d\.ts$/ }, handler: hideConstructors } },
    dts({ dtsInput: true, tsconfig: false }),
    { name: 'remove-paths', generateBundle: (_, chunks) => Object.values(chunks).forEach(removePaths) },
  ],
})
await bundle.write({
  dir: 'dist/lib',
  format: 'esm',
  chunkFileNames: ({ name }) => `chunks/${name.replace(/\.d$/, '')}-[hash].d.ts`,
})
await bundle.close()
