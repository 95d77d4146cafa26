import type { VirtualAccountView } from './queries.ts'
import { texts } from './texts.ts'

const t = texts.inventory

/** A virtual account with its marks: ★ for the default one, 📡 for a satellite's; each said in words too. */
export const formatAccountLabel = ({ name, isDefault, satellite }: VirtualAccountView): string => {
  const marks = [
    isDefault ? `★ ${t.isDefault}` : '',
    satellite === null ? '' : `📡 ${t.ofSatellite(satellite)}`,
  ]
  const said = marks.filter((mark) => mark !== '').join(', ')
  return said === '' ? name : `${name} (${said})`
}
