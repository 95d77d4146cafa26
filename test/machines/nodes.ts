/** Returns a state node with its descendants, for any machine. */
export const listNodes = <N extends { readonly states: Readonly<Record<string, N>> }>(node: N): N[] => [
  node,
  ...Object.values(node.states).flatMap((state) => listNodes(state)),
]
