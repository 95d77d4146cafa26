/** Reads a code from an argument, a file or standard input. @throws LicensingError USAGE, FILE_UNREADABLE */
export async function readCode(what: string, argument?: string, file?: string): Promise<string> {
  const { readCarriedCode } = await import('../codes.ts')
  return readCarriedCode({ argument, file, what })
}
