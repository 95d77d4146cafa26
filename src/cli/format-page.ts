/** Where a page is, and how to sign in the first time: never the password itself, which a log may keep. */
export function formatPage(
  title: string,
  page: { url: string; fingerprint?: string; firstPasswordFile: string | null },
): string {
  return [
    `${title} is at ${page.url}`,
    ...(page.fingerprint === undefined ? [] : [`SHA-256 of its certificate: ${page.fingerprint}`]),
    ...(page.firstPasswordFile === null
      ? []
      : [`Sign in as admin, with the one-time password in ${page.firstPasswordFile}`]),
  ].join('\n')
}
