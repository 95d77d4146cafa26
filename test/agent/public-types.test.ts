import { relative } from 'node:path'
import ts from 'typescript'
import { expect, it } from 'vitest'

const root = new URL('../../dist/', import.meta.url).pathname

/** Entry points whose types a product can import. */
const ENTRIES = ['src/index.d.ts', 'src/conferencing/index.d.ts', 'machines/index.d.ts'].map(
  (file) => `${root}${file}`,
)

const isStatic = (node: ts.Node): boolean =>
  ts.canHaveModifiers(node) &&
  (ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.StaticKeyword) ?? false)

/** Lists the types that are reachable from the declarations of an entry point, and that no entry point exports by name. */
function findHiddenTypes(): string[] {
  const program = ts.createProgram(ENTRIES, {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    skipLibCheck: true,
    types: ['node'],
  })
  const checker = program.getTypeChecker()
  const resolve = (symbol: ts.Symbol): ts.Symbol =>
    symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
  const listExports = (file: string): ts.Symbol[] => {
    const source = program.getSourceFile(file)
    const module = source && checker.getSymbolAtLocation(source)
    if (!module) throw new Error(`${file} is missing: build first.`)
    return checker.getExportsOfModule(module).map(resolve)
  }
  const [entry = ''] = ENTRIES
  const exported = new Set(ENTRIES.flatMap(listExports).map(({ name }) => name))
  const hidden = new Set<string>()
  const visited = new Set<ts.Symbol>()
  const visit = (node: ts.Node): void => {
    // A product calls neither the constructors of services nor the static methods behind `SmartAgent`.
    if (ts.isConstructorDeclaration(node) || isStatic(node)) return
    const name = ts.isTypeReferenceNode(node)
      ? node.typeName
      : ts.isExpressionWithTypeArguments(node)
        ? node.expression
        : null
    const symbol = name && checker.getSymbolAtLocation(name)
    if (symbol) {
      const target = resolve(symbol)
      const [declaration] = target.declarations ?? []
      const file = declaration?.getSourceFile().fileName ?? ''
      const isOwn = file.startsWith(`${root}src/`) && !ts.isTypeParameterDeclaration(declaration ?? node)
      if (isOwn && !exported.has(target.name)) hidden.add(`${target.name} (${relative(root, file)})`)
      if (isOwn) visitSymbol(target)
    }
    ts.forEachChild(node, visit)
  }
  const visitSymbol = (symbol: ts.Symbol): void => {
    if (visited.has(symbol)) return
    visited.add(symbol)
    symbol.declarations?.forEach(visit)
  }
  listExports(entry).forEach(visitSymbol)
  return [...hidden].toSorted()
}

it('each type in a public signature of the package is exported', () => {
  expect(findHiddenTypes()).toEqual([])
})
