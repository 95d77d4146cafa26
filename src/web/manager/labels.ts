import type { VirtualAccountView } from './queries.ts'
import { texts } from './texts.ts'

const t = texts.inventory

/** Formats the name of a virtual account with ★ for the default and 📡 for a satellite, each also as text. */
export const formatAccountLabel = ({ name, isDefault, satellite }: VirtualAccountView): string => {
  const marks = [
    isDefault ? `★ ${t.isDefault}` : '',
    satellite === null ? '' : `📡 ${t.ofSatellite(satellite)}`,
  ]
  const said = marks.filter((mark) => mark !== '').join(', ')
  return said === '' ? name : `${name} (${said})`
}
