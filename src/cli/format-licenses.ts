/** Formats licenses as text: count, tag and end date. */
export const formatLicenses = (
  licenses: readonly { tag: string; count: number; endsAt: string | null }[],
): string =>
  licenses
    .map(({ tag, count, endsAt }) => `${count} of ${tag}${endsAt === null ? '' : ` until ${endsAt}`}`)
    .join(', ')
