/** Entry point `smart-licensing-agent/machines`: the pure state machines, and their drawings. */
export * from '../machines/index.ts'
export { toSvg, type SvgOptions } from './diagrams/to-svg.ts'
