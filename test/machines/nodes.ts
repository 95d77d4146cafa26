/** A state and all below it, of any chart. */
export const listNodes = <N extends { readonly states: Readonly<Record<string, N>> }>(node: N): N[] => [
  node,
  ...Object.values(node.states).flatMap((state) => listNodes(state)),
]
