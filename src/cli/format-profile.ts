import { formatProfileId, type ProductProfile } from '../core/profile.ts'
import type { NamedChanges, ProfileChanges } from '../core/stored-profile.ts'
import { printJson, printText } from './output.ts'
import { printTable } from './table.ts'

/** Prints a product profile: its tags and SKUs, or the whole profile as JSON. */
export async function printProfile(profile: ProductProfile, json: boolean): Promise<void> {
  if (json) {
    printJson({ profile })
    return
  }
  const { module } = profile
  printText(`Product profile: ${formatProfileId(profile)}`)
  if (module) printText(`Product module: ${module.name}`)
  await printTable(
    ['Tag', 'Name', 'Description'],
    profile.tags.map(({ tag, name, description }) => [tag, name, description]),
  )
  if (profile.skus.length === 0) return
  await printTable(
    ['SKU', 'Grants', 'Description'],
    profile.skus.map(({ sku, grants, description }) => [
      sku,
      grants.kind === 'licenses' ? grants.tag : `version ${grants.version}`,
      description,
    ]),
  )
}

/** Formats what a replacement of the profile changes, one change per line. */
export function formatProfileChanges(changes: ProfileChanges | null): string {
  if (changes === null) return 'The profiles are equal.'
  const { from, to, tags, skus, periods, policies, module, hasSameId } = changes
  return [
    `Product profile: ${formatProfileId(from)} → ${formatProfileId(to)}`,
    ...formatNamed('tags', tags),
    ...formatNamed('SKUs', skus),
    ...(periods.length > 0 ? [`  periods changed: ${periods.join(', ')}`] : []),
    ...(policies ? ['  policies changed'] : []),
    ...(module ? ['  module changed'] : []),
    ...(hasSameId ? ['  Devices do not notice the difference, because name and version stay the same.'] : []),
  ].join('\n')
}

const formatNamed = (what: string, changes: NamedChanges): string[] =>
  (['added', 'removed', 'changed'] as const)
    .filter((how) => changes[how].length > 0)
    .map((how) => `  ${what} ${how}: ${changes[how].join(', ')}`)
