/** Formats the URL of a web console and the first sign-in. The text never holds the password, because logs may keep it. */
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
